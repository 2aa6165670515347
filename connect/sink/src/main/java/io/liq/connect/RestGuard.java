package io.liq.connect;

import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.rest.ConnectRestExtension;
import org.apache.kafka.connect.rest.ConnectRestExtensionContext;

/** Puts {@link RestFilter} in front of Connect's REST API. */
public class RestGuard implements ConnectRestExtension {
    private static final List<String> LOCAL = List.of("localhost", "127.0.0.1", "[::1]");
    private static final String LOGIN = "LIQ_CONNECT_LOGIN";
    private static final String PASSWORD = "LIQ_CONNECT_PASSWORD";

    private final Set<String> names = new HashSet<>(LOCAL);

    @Override
    public void configure(Map<String, ?> worker) {
        Object advertised = worker.get("rest.advertised.host.name");
        if (advertised != null) {
            names.add(advertised.toString().toLowerCase(Locale.ROOT));
        }
    }

    @Override
    public void register(ConnectRestExtensionContext context) {
        context.configurable().register(new RestFilter(names, password(System.getenv()), StackQuestDB.ofWorker()));
    }

    /** Returns the password that a login takes; empty if none is asked for. */
    static Optional<String> password(Map<String, String> environment) {
        String login = environment.getOrDefault(LOGIN, "false").toLowerCase(Locale.ROOT);
        if (login.equals("false")) {
            return Optional.empty();
        }
        if (!login.equals("true")) {
            throw new ConfigException(LOGIN + " must be true or false");
        }
        String password = environment.getOrDefault(PASSWORD, "");
        if (password.isEmpty()) {
            throw new ConfigException(LOGIN + " is true, but " + PASSWORD + " is not set");
        }
        return Optional.of(password);
    }

    @Override
    public String version() {
        return QuestDBSinkTask.VERSION;
    }

    @Override
    public void close() {
        // it holds nothing
    }
}
