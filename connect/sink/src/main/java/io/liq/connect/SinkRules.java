package io.liq.connect;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.connect.errors.ConnectException;

/**
 * What any connector on this worker must keep to, whoever registers it: it is a QuestDB sink, writes to the
 * stack's QuestDB, and uses the password for nothing but the login there.
 *
 * <p>{@link RestGuard} applies the rules to what comes over REST. The sink applies them again when it starts,
 * because a configuration can also be written into Connect's topic.
 */
final class SinkRules {
    /** The sink's names, with the short ones that Connect resolves. The official connector has the second. */
    private static final Set<String> CLASSES = Set.of(
            "io.liq.connect.LiqQuestDBSinkConnector", "LiqQuestDBSinkConnector", "LiqQuestDBSink",
            "io.questdb.kafka.QuestDBSinkConnector", "QuestDBSinkConnector", "QuestDBSink");
    private static final Set<String> TASKS =
            Set.of("io.liq.connect.QuestDBSinkTask", "io.questdb.kafka.QuestDBSinkTask");

    private static final String CLASS = "connector.class";
    private static final Pattern PARTS =
            Pattern.compile("(key|value|header)\\.converter|(transforms|predicates)\\..+\\.type", Pattern.DOTALL);
    private static final String KAFKAS_OWN = "org.apache.kafka.connect.";

    private static final Pattern OVERRIDE = Pattern.compile("(consumer|producer|admin)\\.override\\.(.*)", Pattern.DOTALL);
    /** Sizes and waits of a poll. The worker's own list, connector.client.config.override.allowlist, is the same. */
    private static final Set<String> OVERRIDES = Set.of(
            "max.poll.records", "max.partition.fetch.bytes", "fetch.min.bytes", "fetch.max.bytes", "fetch.max.wait.ms");

    /** What Connect would replace: ${provider:key} or ${provider:path:key}. */
    private static final Pattern REFERENCE = Pattern.compile("\\$\\{[^}]*:");

    private SinkRules() {}

    static boolean hasReference(String value) {
        return REFERENCE.matcher(value).find();
    }

    /** Returns, by key, what a whole configuration gets wrong. */
    static Map<String, String> faults(Map<String, String> config, StackQuestDB questdb) {
        Map<String, String> faults = new LinkedHashMap<>();
        for (String required : List.of(CLASS, SinkConfig.CLIENT)) {
            if (config.get(required) == null && !(required.equals(SinkConfig.CLIENT) && config.containsKey("host"))) {
                faults.put(required, required + " is missing");
            }
        }
        faults.putAll(partFaults(config, questdb));
        return faults;
    }

    /** Returns, by key, what the keys that are there get wrong: enough for a change of a good configuration. */
    static Map<String, String> partFaults(Map<String, String> config, StackQuestDB questdb) {
        Map<String, String> faults = new LinkedHashMap<>();
        config.forEach((key, value) -> {
            // null takes a key away, which only these two cannot be without
            if (value != null || key.equals(CLASS) || key.equals(SinkConfig.CLIENT)) {
                fault(key, value == null ? "" : value, questdb).ifPresent(fault -> faults.put(key, fault));
            }
        });
        insertFieldFaults(config, faults);
        return faults;
    }

    /** Throws if a configuration with which Connect starts the sink breaks a rule. */
    static void require(Map<String, String> config, StackQuestDB questdb) {
        Map<String, String> faults = partFaults(config, questdb);
        if (!faults.isEmpty()) {
            throw new ConnectException("the sink does not start: " + String.join("; ", faults.values()));
        }
    }

    private static Optional<String> fault(String key, String value, StackQuestDB questdb) {
        if (key.equals(SinkConfig.CLIENT)) {
            return ClientConf.fault(value, questdb);
        }
        if (key.equals("host")) {
            return Optional.of("host selects the deprecated TCP transport, which drops rows without an error. Replace it"
                    + " with \"" + SinkConfig.CLIENT + "\": \"http::addr=" + questdb.address() + ";\"");
        }
        if (hasReference(value)) {
            return Optional.of(key + " has a reference to a secret: only the password in " + SinkConfig.CLIENT
                    + " may have one, password=" + StackQuestDB.REFERENCE);
        }
        if (key.equals("config.providers") || key.startsWith("config.providers.")) {
            return Optional.of(key + " is not for a connector to set; remove it");
        }
        var override = OVERRIDE.matcher(key);
        if (override.matches() && !OVERRIDES.contains(override.group(2))) {
            return Optional.of(key + " could lead elsewhere and is refused; allowed are "
                    + String.join(", ", OVERRIDES.stream().sorted().toList()));
        }
        return classFault(key, value);
    }

    private static Optional<String> classFault(String key, String value) {
        if (key.equals(CLASS) && !CLASSES.contains(value)) {
            return Optional.of(CLASS + " is refused: this worker runs QuestDB sinks only, io.liq.connect.LiqQuestDBSinkConnector"
                    + " or io.questdb.kafka.QuestDBSinkConnector");
        }
        if (key.equals("task.class") && !TASKS.contains(value)) {
            return Optional.of("task.class is refused: this worker runs QuestDB sinks only");
        }
        if (PARTS.matcher(key).matches() && !value.startsWith(KAFKAS_OWN)) {
            return Optional.of(key + " is refused: only Kafka's own classes are allowed, " + KAFKAS_OWN + "*");
        }
        return Optional.empty();
    }

    /** Older guides give InsertField a {@code field}, an option it never had: the task would die on it. */
    private static void insertFieldFaults(Map<String, String> config, Map<String, String> faults) {
        config.forEach((key, value) -> {
            String transform = key.replaceFirst("\\.type$", "");
            String wrong = transform + ".field";
            if (value != null && key.matches("transforms\\.[^.]+\\.type") && value.contains("InsertField")
                    && config.containsKey(wrong)) {
                faults.put(wrong, wrong + " is no option of InsertField. Rename it to " + transform
                        + ".timestamp.field; or, as liq's records carry their own time, remove the transform and set \""
                        + SinkConfig.TIMESTAMP_FIELD + "\": \"ts\", \"" + SinkConfig.TIMESTAMP_UNITS + "\": \"micros\"");
            }
        });
    }
}
