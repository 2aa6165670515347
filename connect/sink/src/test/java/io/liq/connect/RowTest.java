package io.liq.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.Test;

class RowTest {
    private static final Map<String, String> CONFIG = Map.of(
            "table", "liquidations", "symbols", "symbol", "doubles", "price", "timestamp.field.name", "ts",
            "timestamp.units", "micros", "include.key", "false");

    @Test
    void symbolsComeFirstAndTheTimestampLast() {
        assertEquals("table[liquidations] symbol[symbol, BTCUSDT] doubleColumn[price, 2.5] at[7, Micros]",
                written(CONFIG, ordered("ts", 7L, "price", 2.5, "symbol", "BTCUSDT")));
    }

    @Test
    void aWholeNumberBecomesADoubleOnlyWhereTold() {
        assertEquals("table[liquidations] doubleColumn[price, 2.0] longColumn[n, 2] at[7, Micros]",
                written(CONFIG, ordered("ts", 7L, "price", 2L, "n", 2L)));
    }

    @Test
    void aNullIsLeftOut() {
        assertEquals("table[liquidations] longColumn[n, 2] at[7, Micros]",
                written(CONFIG, ordered("ts", 7L, "price", null, "symbol", null, "n", 2L)));
    }

    @Test
    void nestedObjectsAreFlattened() {
        assertEquals("table[liquidations] boolColumn[a_b_c, true] at[7, Micros]",
                written(CONFIG, ordered("ts", 7L, "a", Map.of("b", Map.of("c", true)))));
    }

    @Test
    void jsonIsTakenLikeTheMapItDescribes() {
        String json = """
                {"ts": 7, "symbol": "A\\u00e9", "price": 2, "a": {"b": {"c": true}, "none": null}, "n": -1, "x": 1e-3}""";
        assertEquals("table[liquidations] symbol[symbol, A\u00e9] doubleColumn[price, 2.0] boolColumn[a_b_c, true]"
                + " longColumn[n, -1] doubleColumn[x, 0.001] at[7, Micros]", written(CONFIG, bytes(json)));
    }

    @Test
    void whatIsNoJsonObjectIsRefusedWithTheReason() {
        assertRefused("no JSON: Unexpected end-of-input", CONFIG, bytes("{\"ts\": 17"));
        assertRefused("no JSON: Unrecognized token 'hello'", CONFIG, bytes("hello"));
        assertRefused("at line: 1, column: 1", CONFIG, bytes("hello"));
        assertRefused("no JSON object", CONFIG, bytes(""));
        assertRefused("no JSON object", CONFIG, bytes("[1]"));
        assertRefused("something follows", CONFIG, bytes("{\"ts\": 7, \"n\": 1} {}"));
        assertRefused("out of range of long", CONFIG, bytes("{\"ts\": 7, \"n\": 9223372036854775808}"));
        assertRefused("\"price\" takes a number, not an array", CONFIG, bytes("{\"ts\": 7, \"price\": [[1], {}]}"));
    }

    @Test
    void structsAreTakenLikeMaps() {
        Schema schema = SchemaBuilder.struct().field("ts", Schema.INT64_SCHEMA).field("n", Schema.INT32_SCHEMA).build();
        assertEquals("table[liquidations] longColumn[n, 2] at[7, Micros]",
                written(CONFIG, new Struct(schema).put("ts", 7L).put("n", 2)));
    }

    @Test
    void theKeyIsWrittenUnderItsPrefix() {
        Map<String, String> config = with("include.key", "true");
        assertEquals("table[liquidations] stringColumn[key, k] longColumn[n, 1] at[7, Micros]",
                written(config, ordered("ts", 7L, "n", 1L)));
    }

    @Test
    void kafkasTimeAndTheTopicsNameAreTakenWhereConfigured() {
        Map<String, String> config = new HashMap<>(with("timestamp.kafka.native", "true"));
        config.put("table", "");
        assertEquals("table[topic] longColumn[n, 1] at[5000, Micros]", written(config, ordered("n", 1L)));
    }

    @Test
    void aDateIsATimestamp() {
        assertEquals("table[liquidations] timestampColumn[seen, 3, Millis] at[2000, Micros]",
                written(CONFIG, ordered("ts", new Date(2), "seen", new Date(3))));
    }

    @Test
    void whatIsNoRowIsRefusedWithTheReason() {
        assertRefused("tombstone", CONFIG, null);
        assertRefused("no JSON object but an array", CONFIG, List.of(1L));
        assertRefused("\"ts\" is missing", CONFIG, ordered("price", 1L));
        assertRefused("\"ts\" is missing", CONFIG, ordered("ts", null, "price", 1L));
        assertRefused("must be a whole number, not String 7", CONFIG, ordered("ts", "7", "price", 1L));
        assertRefused("must be a whole number, not Double", CONFIG, ordered("ts", 7.5, "price", 1L));
        assertRefused("\"price\" takes a number, not Boolean true", CONFIG, ordered("ts", 7L, "price", true));
        assertRefused("\"price\" takes a number, not Double Infinity", CONFIG, ordered("ts", 7L, "price", 1.0 / 0));
        assertRefused("the value of \"list\", an array", CONFIG, ordered("ts", 7L, "list", List.of(1L)));
        assertRefused("the value of \"symbol\", an array", CONFIG, ordered("ts", 7L, "symbol", List.of()));
        assertRefused("cannot send the text", CONFIG, ordered("ts", 7L, "symbol", "\ud83d\ude80"));
        assertRefused("illegal name", CONFIG, ordered("ts", 7L, "what?", 1L));
    }

    @Test
    void aRecordThatBreaksARuleIsRefusedWithTheReason() {
        Map<String, String> config = with("record.rules", "ts time >=5 <=now+1000000, price number >=2e-10 <1e+18,"
                + " symbol text >=1 <=3, side one long short, n? whole >=0, live flag");
        assertEquals("table[liquidations] symbol[symbol, BTC] doubleColumn[price, 2.0] stringColumn[side, long]"
                + " boolColumn[live, true] at[7, Micros]", written(config, good()));
        assertRefused("\"side\" takes one of long short, not String SELL", config, changed("side", "SELL"));
        assertRefused("\"side\" takes one of long short, not null", config, changed("side", null));
        assertRefused("\"price\" takes a number >=2e-10 <1e+18, not Double 0.0", config, changed("price", 0.0));
        assertRefused("not Double 1.0E18", config, changed("price", 1e18));
        assertRefused("\"symbol\" takes a text of >=1 <=3 characters, not String ", config, changed("symbol", ""));
        assertRefused("not String BTCU", config, changed("symbol", "BTCU"));
        assertRefused("not String  \t", config, changed("symbol", " \t"));
        assertRefused("\"n\" takes a whole number >=0, not Long -1", config, changed("n", -1L));
        assertRefused("\"live\" takes true or false, not String true", config, changed("live", "true"));
        assertRefused("\"ts\" takes a whole number of microseconds >=5 <=now+1000000, not Long 4", config,
                changed("ts", 4L));
        assertRefused("not Long", config, changed("ts", 1000 * System.currentTimeMillis() + 60_000_000));
        assertRefused("\"leverage\" is no field", config, changed("leverage", 1L));
        assertRefused("\"a\" is no field", config, changed("a", Map.of()));
        assertRefused("\"n\" is missing", config, ordered("ts", 7L, "price", 2L, "symbol", "BTC", "side", "long",
                "live", true));
        assertRefused("\"ts\" is there twice", config, bytes("{\"ts\": 7, \"ts\": 8}"));
    }

    private static Map<String, Object> good() {
        return ordered("ts", 7L, "price", 2L, "symbol", "BTC", "side", "long", "n", null, "live", true);
    }

    private static Map<String, Object> changed(String name, Object value) {
        Map<String, Object> record = good();
        record.put(name, value);
        return record;
    }

    @Test
    void aRecordOfAnEarlierVersionGetsTheCoinOfItsBase() {
        Map<String, String> config = new HashMap<>(with("record.rules", "ts time, base?* text, asset* text >=1,"
                + " quantity* number, asset_quantity* number, price* number, asset_price* number"));
        config.put("record.coins", "(10{3,8}|1M(?=[A-Z]{3}))?([^\\x00-\\x200-9][\\s\\S]*?)((?<=[A-Z]{3})1000)? XBT=1*BTC M=1000000*DOGE");
        config.put("symbols", "base,asset");
        config.put("doubles", "quantity,asset_quantity,price,asset_price");
        Map<String, String> expected = Map.of("1000PEPE", "PEPE 1000.0", "SHIB1000", "SHIB 1000.0",
                "1MBABYDOGE", "BABYDOGE 1000000.0", "XBT", "BTC 1.0", "M", "DOGE 1000000.0", "1INCH", "1INCH 1.0");
        expected.forEach((base, coin) -> {
            String[] words = coin.split(" ");
            double units = Double.parseDouble(words[1]);
            assertEquals("table[liquidations] symbol[base, " + base + "] symbol[asset, " + words[0] + "]"
                            + " doubleColumn[quantity, 2.0] doubleColumn[price, 4.0]"
                            + " doubleColumn[asset_quantity, " + 2 * units + "] doubleColumn[asset_price, " + 4 / units
                            + "] at[7, Micros]",
                    written(config, ordered("ts", 7L, "base", base, "quantity", 2.0, "price", 4.0)));
        });
        assertEquals("table[liquidations] symbol[asset, X] doubleColumn[asset_quantity, 3.0] doubleColumn[asset_price,"
                        + " 5.0] at[7, Micros]",
                written(config, ordered("ts", 7L, "asset", "X", "asset_quantity", 3L, "asset_price", 5L)));
        assertRefused("neither asset nor base", config, ordered("ts", 7L, "quantity", 1L, "price", 1L));
        assertRefused("neither asset nor base", with("record.coins", config.get("record.coins"), "record.rules",
                "ts time, base?* text, asset* text"), ordered("ts", 7L, "base", null));
        assertThrows(ConfigException.class, () -> new Row(new SinkConfig(
                with("record.coins", "(", "record.rules", "ts time, asset* text"))));
    }

    @Test
    void whatIsNoRuleIsRefused() {
        for (String text : List.of("ts", "ts clock", "n whole 5", "n whole >x", "? text")) {
            assertThrows(ConfigException.class, () -> new Row(new SinkConfig(with("record.rules", text))), text);
        }
    }

    @Test
    void anUnsupportedFieldCanBeLeftOut() {
        assertEquals("table[liquidations] longColumn[n, 1] at[7, Micros]",
                written(with("skip.unsupported.types", "true"), ordered("ts", 7L, "list", List.of(), "n", 1L)));
    }

    @Test
    void aRefusedRecordLeavesNothingBehind() {
        Row row = new Row(new SinkConfig(CONFIG));
        RecordingSender recording = new RecordingSender(rows -> {});
        assertThrows(DataException.class,
                () -> row.write(record(ordered("ts", 7L, "n", 1L, "price", "x")), recording.sender()));
        row.write(record(ordered("ts", 8L, "price", 1L)), recording.sender());
        recording.sender().flush();
        assertEquals(List.of("table[liquidations] doubleColumn[price, 1.0] at[8, Micros]"), recording.stored);
    }

    private static void assertRefused(String reason, Map<String, String> config, Object value) {
        DataException refusal = assertThrows(DataException.class, () -> written(config, value));
        assertTrue(refusal.getMessage().contains(reason), refusal.getMessage());
    }

    private static String written(Map<String, String> config, Object value) {
        RecordingSender recording = new RecordingSender(rows -> {});
        new Row(new SinkConfig(config)).write(record(value), recording.sender());
        recording.sender().flush();
        return recording.stored.get(0);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static SinkRecord record(Object value) {
        return new SinkRecord("topic", 0, null, "k", null, value, 0, 5L, TimestampType.CREATE_TIME);
    }

    private static Map<String, String> with(String... pairs) {
        Map<String, String> config = new HashMap<>(CONFIG);
        for (int i = 0; i < pairs.length; i += 2) {
            config.put(pairs[i], pairs[i + 1]);
        }
        return config;
    }

    private static Map<String, Object> ordered(Object... pairs) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            map.put((String) pairs[i], pairs[i + 1]);
        }
        return map;
    }
}
