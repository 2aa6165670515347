package io.liq.connect;

import io.questdb.client.Sender;
import io.questdb.client.cutlass.line.LineSenderException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/** A QuestDB client without a server: rows as text, and a server's answer of the test's choice. */
final class RecordingSender {
    final List<String> stored = new ArrayList<>();
    int requests;
    private final List<String> buffered = new ArrayList<>();
    private final StringBuilder row = new StringBuilder();
    private final Consumer<List<String>> server;

    /** {@code server} is shown each request's rows and throws where it would refuse them. */
    RecordingSender(Consumer<List<String>> server) {
        this.server = server;
    }

    Sender sender() {
        return (Sender) Proxy.newProxyInstance(getClass().getClassLoader(), new Class<?>[] {Sender.class}, this::call);
    }

    private Object call(Object proxy, Method method, Object[] arguments) {
        switch (method.getName()) {
            case "reset" -> buffered.clear();
            case "cancelRow" -> row.setLength(0);
            case "flush" -> {
                requests++;
                server.accept(List.copyOf(buffered));
                stored.addAll(buffered);
                buffered.clear();
            }
            case "at", "atNow" -> {
                buffered.add(row + method.getName() + Arrays.toString(arguments));
                row.setLength(0);
            }
            default -> {
                if (arguments[0].toString().contains("?")) {
                    throw new LineSenderException("illegal name");
                }
                row.append(method.getName()).append(Arrays.toString(arguments)).append(' ');
            }
        }
        return method.getReturnType() == Sender.class ? proxy : null;
    }
}
