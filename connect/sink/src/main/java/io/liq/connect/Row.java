package io.liq.connect;

import io.questdb.client.Sender;
import io.questdb.client.cutlass.line.LineSenderException;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.SinkRecord;

/**
 * One record laid out as one row. The object is reused from record to record.
 *
 * <p>Nested objects are flattened with {@code _}, as the official connector does. A null field is left
 * out, which QuestDB stores as NULL.
 */
final class Row {
    private static final char SEPARATOR = '_';
    private static final long NO_TIMESTAMP = -1;

    private final String table;
    private final Map<String, Column> columns = new HashMap<>();
    private final String timestampField;
    private final TimeUnit timestampUnit;
    private final boolean timestampOfKafka;
    private final boolean includeKey;
    private final String keyPrefix;
    private final String valuePrefix;
    private final boolean skipUnsupported;
    private final Rules rules;
    private final Coins coins;

    private final Cells symbolCells = new Cells();
    private final Cells columnCells = new Cells();
    private long timestamp;

    Row(SinkConfig config) {
        table = config.getString(SinkConfig.TABLE);
        timestampField = config.getString(SinkConfig.TIMESTAMP_FIELD);
        timestampUnit = Timestamps.unit(config.getString(SinkConfig.TIMESTAMP_UNITS));
        timestampOfKafka = config.getBoolean(SinkConfig.TIMESTAMP_OF_KAFKA);
        includeKey = config.getBoolean(SinkConfig.INCLUDE_KEY);
        keyPrefix = config.getString(SinkConfig.KEY_PREFIX);
        valuePrefix = config.getString(SinkConfig.VALUE_PREFIX);
        skipUnsupported = config.getBoolean(SinkConfig.SKIP_UNSUPPORTED);
        rules = Rules.of(config.getList(SinkConfig.RULES));
        coins = Coins.of(config.getString(SinkConfig.COINS), rules);
        Set<String> symbols = config.names(SinkConfig.SYMBOLS);
        Set<String> doubles = config.names(SinkConfig.DOUBLES);
        Set<String> names = new HashSet<>(symbols);
        names.addAll(doubles);
        names.add(timestampField);
        if (rules != null) {
            names.addAll(rules.names());
        }
        for (String name : names) {
            columns.put(name, new Column(name, symbols.contains(name), doubles.contains(name),
                    name.equals(timestampField), rules == null ? null : rules.of(name)));
        }
    }

    /** Where a field goes, looked up once: there are many fields in a poll. */
    private record Column(String name, boolean isSymbol, boolean isDouble, boolean isTime, Rules.Rule rule) {}

    private Column column(String name) {
        Column known = columns.get(name);
        return known == null ? new Column(name, false, false, false, null) : known;
    }

    /**
     * Adds {@code record} to what {@code sender} will flush.
     *
     * @throws DataException if it is no row; then nothing is added
     */
    void write(SinkRecord record, Sender sender) {
        lay(record);
        sender.table(table.isEmpty() ? record.topic() : table);
        try {
            // the line protocol wants symbols first
            for (int i = 0; i < symbolCells.size; i++) {
                writeSymbol(symbolCells.columns[i].name(), symbolCells.values[i], sender);
            }
            for (int i = 0; i < columnCells.size; i++) {
                writeColumn(columnCells.columns[i], columnCells.values[i], sender);
            }
            if (timestamp == NO_TIMESTAMP) {
                sender.atNow();
            } else {
                sender.at(timestamp, ChronoUnit.MICROS);
            }
        } catch (LineSenderException | DataException error) {
            sender.cancelRow();
            throw new DataException(error.getMessage(), error);
        }
    }

    private void lay(SinkRecord record) {
        symbolCells.size = 0;
        columnCells.size = 0;
        timestamp = NO_TIMESTAMP;
        if (record.value() == null) {
            throw new DataException("the record has no value (a tombstone); a row cannot be deleted through this sink");
        }
        if (includeKey && record.key() != null) {
            add(column(keyPrefix.isEmpty() ? "key" : keyPrefix), keyPrefix, record.key());
        }
        if (rules != null) {
            rules.begin();
        }
        if (record.value() instanceof byte[] json) {
            JsonObject.read(json, valuePrefix, this::addField);
        } else if (isObject(record.value())) {
            addFields(valuePrefix, record.value());
        } else {
            throw new DataException("the value is no JSON object but " + described(record.value()));
        }
        if (rules != null) {
            rules.end();
        }
        if (coins != null) {
            coins.complete(rules, this::value, (name, value) -> add(column(name), name, value));
        }
        if (timestampOfKafka) {
            timestamp = Timestamps.toMicros(record.timestamp(), TimeUnit.MILLISECONDS);
        }
        if (timestamp == NO_TIMESTAMP && !timestampField.isEmpty()) {
            throw new DataException("timestamp field \"" + timestampField + "\" is missing or null");
        }
    }

    /** Returns the value of a field of the record, null if it has none. */
    private Object value(String name) {
        Column column = column(name);
        return (column.isSymbol() ? symbolCells : columnCells).find(column);
    }

    private static boolean isObject(Object value) {
        return value instanceof Map || value instanceof Struct;
    }

    private void addFields(String prefix, Object object) {
        if (object instanceof Map<?, ?> map) {
            for (Map.Entry<?, ?> field : map.entrySet()) {
                addField(prefix, String.valueOf(field.getKey()), field.getValue());
            }
        } else {
            Struct struct = (Struct) object;
            for (Field field : struct.schema().fields()) {
                addField(prefix, field.name(), struct.get(field));
            }
        }
    }

    private void addField(String prefix, String field, Object value) {
        Column column = column(join(prefix, field));
        if (rules != null) {
            // the time, in whatever unit it comes, as it will be stored
            rules.check(column.name(), column.rule(), column.isTime() && value != null ? (Object) designated(value) : value);
        }
        add(column, column.name(), value);
    }

    static String join(String prefix, String field) {
        return prefix.isEmpty() ? field : prefix + SEPARATOR + field;
    }

    private void add(Column column, String prefix, Object value) {
        if (value == null) {
            return;
        }
        if (isObject(value)) {
            addFields(prefix, value);
        } else if (column.isTime()) {
            timestamp = designated(value);
        } else {
            (column.isSymbol() ? symbolCells : columnCells).add(column, value);
        }
    }

    private long designated(Object value) {
        if (value instanceof Long || value instanceof Integer) {
            return Timestamps.toMicros(((Number) value).longValue(), timestampUnit);
        }
        if (value instanceof Date date) {
            return Timestamps.toMicros(date.getTime(), TimeUnit.MILLISECONDS);
        }
        throw new DataException("timestamp field \"" + timestampField + "\" must be a whole number, not "
                + described(value));
    }

    private void writeSymbol(String name, Object value, Sender sender) {
        if (value instanceof String || value instanceof Number || value instanceof Boolean) {
            sender.symbol(name, sendable(value.toString()));
        } else {
            refuseUnsupported(name, value);
        }
    }

    private void writeColumn(Column column, Object value, Sender sender) {
        String name = column.name();
        if (column.isDouble()) {
            if (!(value instanceof Number number) || !Double.isFinite(number.doubleValue())) {
                throw new DataException("column \"" + name + "\" takes a number, not " + described(value));
            }
            sender.doubleColumn(name, number.doubleValue());
        } else if (value instanceof String text) {
            sender.stringColumn(name, sendable(text));
        } else if (value instanceof Double || value instanceof Float) {
            sender.doubleColumn(name, ((Number) value).doubleValue());
        } else if (value instanceof Long || value instanceof Integer
                || value instanceof Short || value instanceof Byte) {
            sender.longColumn(name, ((Number) value).longValue());
        } else if (value instanceof Boolean flag) {
            sender.boolColumn(name, flag);
        } else if (value instanceof Date date) {
            sender.timestampColumn(name, date.getTime(), ChronoUnit.MILLIS);
        } else {
            refuseUnsupported(name, value);
        }
    }

    private void refuseUnsupported(String name, Object value) {
        if (!skipUnsupported) {
            throw new DataException("no column takes the value of \"" + name + "\", " + described(value));
        }
    }

    /** The client writes a character beyond the basic plane as two question marks. */
    private static String sendable(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                throw new DataException("the QuestDB client cannot send the text \"" + text + "\"");
            }
        }
        return text;
    }

    private static String described(Object value) {
        return value instanceof List ? "an array" : value.getClass().getSimpleName() + " " + value;
    }

    /** Columns and values, in a fixed pair of arrays: a row is laid out for each record. */
    private static final class Cells {
        private Column[] columns = new Column[16];
        private Object[] values = new Object[16];
        private int size;

        void add(Column column, Object value) {
            if (size == columns.length) {
                columns = Arrays.copyOf(columns, 2 * size);
                values = Arrays.copyOf(values, 2 * size);
            }
            columns[size] = column;
            values[size++] = value;
        }

        Object find(Column column) {
            for (int i = 0; i < size; i++) {
                if (columns[i] == column) {
                    return values[i];
                }
            }
            return null;
        }
    }
}
