package io.liq.connect;

import io.questdb.client.Sender;
import io.questdb.client.cutlass.line.LineSenderException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The QuestDB client's configuration string, {@code http::key=value;key=value;}. */
final class ClientConf {
    private static final Pattern TRANSPORT = Pattern.compile("(https?)::(.*)", Pattern.DOTALL);
    // a semicolon inside a value is doubled
    private static final Pattern SETTING = Pattern.compile("(\\w+)=((?:[^;]|;;)*)(?:;|$)");

    /**
     * What the sink itself decides.
     *
     * <p>The client retries long enough to replace a kept connection that the server has closed, and so
     * briefly that a worker can stop a task whose QuestDB is away: the long waits are between two puts.
     */
    private static final String OURS = "auto_flush=off;retry_timeout=1000;";
    private static final Set<String> REPLACED =
            Set.of("auto_flush", "auto_flush_rows", "auto_flush_interval", "auto_flush_bytes", "retry_timeout");

    /** Detection would cost a request, and takes a server that is shutting down for an old one. */
    private static final String PROTOCOL = "protocol_version";

    private ClientConf() {}

    /** Returns what is wrong with {@code text}, without repeating it: it may hold a password. */
    static Optional<String> fault(String text) {
        if (!TRANSPORT.matcher(text).matches()) {
            return Optional.of(SinkConfig.CLIENT + " must select HTTP, the only transport that acknowledges rows:"
                    + " set it to \"http::addr=HOST:9000;\"");
        }
        try (Sender built = Sender.fromConfig(patch(text))) {
            return Optional.empty();
        } catch (LineSenderException error) {
            return Optional.of(SinkConfig.CLIENT + " is refused by the QuestDB client: " + error.getMessage());
        }
    }

    /** Returns {@code text} with flushing and retrying left to the sink. */
    static String patch(String text) {
        Matcher transport = TRANSPORT.matcher(text);
        if (!transport.matches()) {
            throw new IllegalArgumentException(SinkConfig.CLIENT + " selects no HTTP transport");
        }
        Map<String, String> settings = new LinkedHashMap<>(Map.of(PROTOCOL, "2"));
        SETTING.matcher(transport.group(2)).results().forEach(each -> settings.put(each.group(1), each.group(2)));
        settings.keySet().removeAll(REPLACED);
        return settings.entrySet().stream()
                .map(setting -> setting.getKey() + "=" + setting.getValue() + ";")
                .collect(Collectors.joining("", transport.group(1) + "::", OURS));
    }
}
