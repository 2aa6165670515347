package io.liq.connect;

import io.questdb.client.Sender;
import java.time.temporal.ChronoUnit;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/** Sends each poll's records as one request. */
public final class LiqQuestDBSinkTask extends SinkTask {
    private Sender sender;
    private String table;
    private String timestampField;
    private Set<String> symbols;

    @Override
    public void start(Map<String, String> properties) {
        sender = Sender.fromConfig(properties.get("client.conf.string"));
        table = properties.get("table");
        timestampField = properties.get("timestamp.field.name");
        symbols = Set.of(properties.get("symbols").split(","));
    }

    @Override
    public void put(Collection<SinkRecord> records) {
        for (SinkRecord record : records) {
            add((Map<?, ?>) record.value());
        }
        sender.flush();
    }

    private void add(Map<?, ?> row) {
        sender.table(table);
        row.forEach((name, value) -> {
            if (symbols.contains(name)) {
                sender.symbol((String) name, (String) value);
            }
        });
        row.forEach((name, value) -> {
            if (symbols.contains(name) || name.equals(timestampField)) {
                return;
            }
            if (value instanceof Long number) {
                sender.longColumn((String) name, number);
            } else if (value instanceof Double number) {
                sender.doubleColumn((String) name, number);
            } else if (value instanceof String text) {
                sender.stringColumn((String) name, text);
            }
        });
        sender.at((Long) row.get(timestampField), ChronoUnit.MICROS);
    }

    @Override
    public void stop() {
        sender.close();
    }

    @Override
    public String version() {
        return "0.1.0";
    }
}
