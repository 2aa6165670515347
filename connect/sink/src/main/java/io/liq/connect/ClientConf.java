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
import org.apache.kafka.common.config.ConfigException;

/** The QuestDB client's configuration string, {@code http::key=value;key=value;}. */
final class ClientConf {
    private static final Pattern TRANSPORT = Pattern.compile("(https?)::(.*)", Pattern.DOTALL);
    // a semicolon inside a value is doubled
    private static final Pattern SETTING =
            Pattern.compile("(\\w+)=([^;\\p{Cntrl}]*+(?:;;[^;\\p{Cntrl}]*+)*+)(?:;|$)");

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

    private static final String ADDRESS = "addr";
    private static final String PASSWORD = "password";
    private static final String CERTIFICATE_CHECK = "tls_verify";
    private static final Set<String> ALLOWED = Set.of(
            ADDRESS, "username", PASSWORD, CERTIFICATE_CHECK, PROTOCOL, "auto_flush", "auto_flush_rows",
            "auto_flush_interval", "auto_flush_bytes", "retry_timeout", "request_timeout",
            "request_min_throughput", "max_name_len");

    private final String transport;
    private final Map<String, String> settings;

    private ClientConf(String transport, Map<String, String> settings) {
        this.transport = transport;
        this.settings = settings;
    }

    /**
     * Reads a configuration that writes to {@code questdb} and sends its password nowhere else.
     *
     * <p>Throws {@link ConfigException} for any other, with the reason. The reason never repeats a value,
     * which may be a password.
     */
    static ClientConf read(String text, StackQuestDB questdb) {
        ClientConf read = parse(text, questdb);
        read.requireAddress(questdb);
        read.requireNoStrayReference();
        read.requirePassword(questdb);
        return read;
    }

    /** Returns what is wrong with {@code text}. */
    static Optional<String> fault(String text, StackQuestDB questdb) {
        try {
            // the client checks the rest
            Sender.fromConfig(read(text, questdb).forSink("any")).close();
            return Optional.empty();
        } catch (ConfigException error) {
            return Optional.of(error.getMessage());
        } catch (LineSenderException error) {
            return Optional.of(SinkConfig.CLIENT + " is refused by the QuestDB client: " + error.getMessage());
        }
    }

    /** Returns it for the client: flushing and retrying left to the sink, the reference replaced by the password. */
    String forSink(String password) {
        Map<String, String> chosen = new LinkedHashMap<>(Map.of(PROTOCOL, "2"));
        chosen.putAll(settings);
        chosen.keySet().removeAll(REPLACED);
        chosen.replace(PASSWORD, StackQuestDB.REFERENCE, password.replace(";", ";;"));
        return chosen.entrySet().stream()
                .map(setting -> setting.getKey() + "=" + setting.getValue() + ";")
                .collect(Collectors.joining("", transport + "::", OURS));
    }

    private static ClientConf parse(String text, StackQuestDB questdb) {
        Matcher whole = TRANSPORT.matcher(text);
        if (!whole.matches()) {
            throw new ConfigException(SinkConfig.CLIENT + " must select HTTP, the only transport that acknowledges"
                    + " rows: set it to \"http::addr=" + questdb.address() + ";\"");
        }
        Map<String, String> settings = new LinkedHashMap<>();
        Matcher setting = SETTING.matcher(whole.group(2));
        for (int end = 0; end < whole.group(2).length(); end = setting.end()) {
            if (!setting.region(end, whole.group(2).length()).lookingAt()) {
                throw new ConfigException(SinkConfig.CLIENT + " is not of the form http::key=value;key=value;");
            }
            String key = setting.group(1);
            if (!ALLOWED.contains(key)) {
                throw new ConfigException(SinkConfig.CLIENT + " takes no \"" + key + "\"; remove it");
            }
            if (settings.put(key, setting.group(2)) != null) {
                throw new ConfigException(SinkConfig.CLIENT + " has " + key + " twice; leave one");
            }
        }
        return new ClientConf(whole.group(1), settings);
    }

    private void requireAddress(StackQuestDB questdb) {
        if (!questdb.address().equals(settings.get(ADDRESS))) {
            throw new ConfigException(SinkConfig.CLIENT + " does not write to this stack's QuestDB: set addr="
                    + questdb.address() + ", or start the worker with another LIQ_QUESTDB_HOST and"
                    + " LIQ_QUESTDB_HTTP_PORT");
        }
        if (!settings.getOrDefault(CERTIFICATE_CHECK, "on").equals("on")) {
            throw new ConfigException(SinkConfig.CLIENT + " switches off the check of QuestDB's certificate: remove "
                    + CERTIFICATE_CHECK);
        }
    }

    private void requireNoStrayReference() {
        settings.forEach((key, value) -> {
            boolean login = key.equals(PASSWORD) && value.equals(StackQuestDB.REFERENCE);
            if (!login && SinkRules.hasReference(value)) {
                throw new ConfigException(SinkConfig.CLIENT + " has a reference to a secret in " + key
                        + ": only " + PASSWORD + "=" + StackQuestDB.REFERENCE + " may have one");
            }
        });
    }

    private void requirePassword(StackQuestDB questdb) {
        if (StackQuestDB.REFERENCE.equals(settings.get(PASSWORD)) && questdb.password().isEmpty()) {
            throw new ConfigException("the worker has no password to log in with: start it with"
                    + " LIQ_QUESTDB_ADMIN_PASSWORD");
        }
    }
}
