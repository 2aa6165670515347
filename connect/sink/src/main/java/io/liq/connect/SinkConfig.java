package io.liq.connect;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Range;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.common.config.ConfigDef.ValidString;

/** The sink's configuration: the keys of the official connector and, but for one, its defaults. */
final class SinkConfig extends AbstractConfig {
    static final String CLIENT = "client.conf.string";
    static final String TABLE = "table";
    static final String SYMBOLS = "symbols";
    static final String DOUBLES = "doubles";
    static final String TIMESTAMP_FIELD = "timestamp.field.name";
    static final String TIMESTAMP_UNITS = "timestamp.units";
    static final String TIMESTAMP_OF_KAFKA = "timestamp.kafka.native";
    static final String INCLUDE_KEY = "include.key";
    static final String KEY_PREFIX = "key.prefix";
    static final String VALUE_PREFIX = "value.prefix";
    static final String RULES = "record.rules";
    static final String COINS = "record.coins";
    static final String SKIP_UNSUPPORTED = "skip.unsupported.types";
    static final String MAX_BACKOFF = "retry.backoff.ms";

    private static final String UNUSED = "Taken for the official connector's sake and not used: ";

    static final ConfigDef DEFINITION = new ConfigDef()
            .define(CLIENT, Type.PASSWORD, "", Importance.HIGH,
                    "QuestDB client configuration, http::addr=HOST:PORT;... Each poll is flushed once and"
                            + " retried without end, whatever auto_flush and retry_timeout say.")
            .define(TABLE, Type.STRING, "", Importance.HIGH, "Table to write; the topic's name when empty.")
            .define(SYMBOLS, Type.LIST, "", Importance.MEDIUM, "Fields written as SYMBOL.")
            .define(DOUBLES, Type.LIST, "", Importance.MEDIUM,
                    "Fields written as DOUBLE, whether or not the number has a fraction.")
            .define(TIMESTAMP_FIELD, Type.STRING, "", Importance.MEDIUM,
                    "Field that holds the designated timestamp; the server's clock when empty.")
            .define(TIMESTAMP_UNITS, Type.STRING, "auto",
                    ValidString.in("auto", "seconds", "millis", "micros", "nanos"), Importance.MEDIUM,
                    "Unit of the designated timestamp; auto derives it from its size.")
            .define(TIMESTAMP_OF_KAFKA, Type.BOOLEAN, false, Importance.LOW,
                    "Take the Kafka record's timestamp as the designated one.")
            .define(INCLUDE_KEY, Type.BOOLEAN, true, Importance.MEDIUM, "Write the record's key too.")
            .define(KEY_PREFIX, Type.STRING, "key", Importance.LOW, "Prefix of columns from the key.")
            .define(VALUE_PREFIX, Type.STRING, "", Importance.LOW, "Prefix of columns from the value.")
            .define(RULES, Type.LIST, "", Importance.MEDIUM,
                    "What each field of a record may hold; any other record is rejected. No rules, no check.")
            .define(COINS, Type.STRING, "", Importance.LOW,
                    "How the coin of a base asset is derived, for records of earlier versions, which do not name it.")
            .define(SKIP_UNSUPPORTED, Type.BOOLEAN, false, Importance.LOW,
                    "Leave out a field of a type no column takes, rather than reject the record.")
            // a refused attempt costs next to nothing, and all rows wait for the first that is not
            .define(MAX_BACKOFF, Type.LONG, 500, Range.atLeast(1), Importance.LOW,
                    "Longest wait in milliseconds between two attempts while QuestDB is away.")
            .define("allowed.lag", Type.INT, 1000, Range.atLeast(1), Importance.LOW,
                    UNUSED + "no row waits in a buffer.")
            .define("max.retries", Type.INT, 10, Importance.LOW, UNUSED + "retries do not end.")
            .define("dlq.send.batch.on.error", Type.BOOLEAN, false, Importance.LOW,
                    UNUSED + "only the rejected record is dead-lettered.");

    /** What the official connector takes and this one does not; to ignore it would surprise. */
    private static final List<String> OFFICIAL_ONLY = List.of(
            "timestamp.string.fields", "timestamp.string.format", "username", "token", "tls", "tls.validation.mode");

    SinkConfig(Map<String, String> properties) {
        super(DEFINITION, properties);
    }

    Set<String> names(String key) {
        return Set.copyOf(getList(key));
    }

    /** Returns, by key, what is wrong with {@code properties} beyond the definition, and how to fix it. */
    static Map<String, String> faults(Map<String, String> properties, StackQuestDB questdb) {
        Map<String, String> faults = SinkRules.faults(properties, questdb);
        if (properties.getOrDefault(TABLE, "").contains("$")) {
            faults.put(TABLE, "table is a plain name here; templates need the official connector");
        }
        if (properties.getOrDefault(TIMESTAMP_FIELD, "").contains(",")) {
            faults.put(TIMESTAMP_FIELD,
                    TIMESTAMP_FIELD + " is one field here; to join several needs the official connector");
        }
        if (!properties.getOrDefault(RULES, "").isEmpty() && !properties.getOrDefault(VALUE_PREFIX, "").isEmpty()) {
            faults.put(VALUE_PREFIX, "the rules of " + RULES + " know fields by their plain names; remove " + VALUE_PREFIX);
        }
        for (String key : OFFICIAL_ONLY) {
            if (properties.containsKey(key)) {
                faults.put(key, key + " is not supported by liq's sink. Remove it (credentials and TLS belong in "
                        + CLIENT + "), or install the official connector");
            }
        }
        return faults;
    }
}
