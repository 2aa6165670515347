package io.liq.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SinkConfigTest {
    private static final StackQuestDB QUESTDB = new StackQuestDB("questdb:9000", "secret");
    private static final String CLIENT = "http::addr=questdb:9000;";
    private static final String CLASS = "io.liq.connect.LiqQuestDBSinkConnector";

    @Test
    void theOldFileIsAnsweredWithTheMend() {
        Map<String, String> faults = SinkConfig.faults(Map.of(
                "connector.class", CLASS,
                "host", "questdb",
                "transforms", "insertTS",
                "transforms.insertTS.type", "org.apache.kafka.connect.transforms.InsertField$Value",
                "transforms.insertTS.field", "timestamp"), QUESTDB);
        assertEquals(Set.of("host", "transforms.insertTS.field"), faults.keySet());
        assertTrue(faults.get("host").contains("\"client.conf.string\": \"http::addr=questdb:9000;\""));
        assertTrue(faults.get("transforms.insertTS.field").contains("transforms.insertTS.timestamp.field"));
    }

    @Test
    void aTransformsOwnFieldOptionIsNoFault() {
        assertEquals(Map.of(), SinkConfig.faults(Map.of(
                "connector.class", CLASS,
                "client.conf.string", CLIENT,
                "transforms.extract.type", "org.apache.kafka.connect.transforms.ExtractField$Value",
                "transforms.extract.field", "payload"), QUESTDB));
    }

    @Test
    void whatOnlyTheOfficialConnectorDoesIsRefused() {
        assertEquals(Set.of("table", "timestamp.field.name", "timestamp.string.format", "token"),
                SinkConfig.faults(Map.of(
                        "connector.class", CLASS, "client.conf.string", CLIENT, "table", "${topic}", "timestamp.field.name", "date,time",
                        "timestamp.string.format", "yyyy", "token", "t"), QUESTDB).keySet());
    }
}
