package io.liq.connect;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.Config;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigValue;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.sink.SinkConnector;

/**
 * Writes the records of Kafka topics into a QuestDB table over HTTP.
 *
 * <p>A record is a JSON object, as bytes (ByteArrayConverter) or as any converter's map or struct.
 *
 * <p>Takes the configuration keys of the official {@code io.questdb.kafka.QuestDBSinkConnector}, so
 * that one file configures either; {@link SinkConfig} says which keys it does not take.
 */
public class LiqQuestDBSinkConnector extends SinkConnector {
    private Map<String, String> properties;

    @Override
    public void start(Map<String, String> properties) {
        SinkRules.require(properties, StackQuestDB.ofWorker());
        this.properties = properties;
    }

    @Override
    public void stop() {
        // the connector itself holds nothing: its tasks do
    }

    @Override
    public Class<? extends Task> taskClass() {
        return QuestDBSinkTask.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int maxTasks) {
        return Collections.nCopies(maxTasks, properties);
    }

    @Override
    public ConfigDef config() {
        return SinkConfig.DEFINITION;
    }

    /** Checks what a {@link ConfigDef} cannot, so that the answer to a POST of a faulty file names the fix. */
    @Override
    public Config validate(Map<String, String> properties) {
        List<ConfigValue> values = new ArrayList<>(super.validate(properties).configValues());
        SinkConfig.faults(properties, StackQuestDB.ofWorker())
                .forEach((key, fault) -> valueOf(values, key).addErrorMessage(fault));
        return new Config(values);
    }

    private static ConfigValue valueOf(List<ConfigValue> values, String key) {
        return values.stream().filter(value -> value.name().equals(key)).findFirst().orElseGet(() -> {
            ConfigValue added = new ConfigValue(key);
            values.add(added);
            return added;
        });
    }

    @Override
    public String version() {
        return QuestDBSinkTask.VERSION;
    }
}
