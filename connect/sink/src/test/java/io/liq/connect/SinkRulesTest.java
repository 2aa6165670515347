package io.liq.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.connect.errors.ConnectException;
import org.junit.jupiter.api.Test;

class SinkRulesTest {
    private static final StackQuestDB QUESTDB = new StackQuestDB("h:9000", "secret");
    private static final String REFERENCE = "${env:LIQ_QUESTDB_ADMIN_PASSWORD}";
    private static final Map<String, String> GOOD = Map.of(
            "connector.class", "io.questdb.kafka.QuestDBSinkConnector",
            "client.conf.string", "http::addr=h:9000;username=u;password=" + REFERENCE + ";",
            "value.converter", "org.apache.kafka.connect.json.JsonConverter",
            "consumer.override.max.poll.records", "20000");

    @Test
    void eitherSinkIsAcceptedByEachOfItsNames() {
        for (String name : new String[] {
            "io.liq.connect.LiqQuestDBSinkConnector", "LiqQuestDBSinkConnector", "LiqQuestDBSink",
            "io.questdb.kafka.QuestDBSinkConnector", "QuestDBSinkConnector", "QuestDBSink"}) {
            assertEquals(Map.of(), SinkRules.faults(with("connector.class", name), QUESTDB), name);
        }
    }

    @Test
    void anyOtherChangeThatCouldLeadElsewhereIsRefused() {
        Map<String, String> attempts = Map.ofEntries(
                Map.entry("connector.class", "org.apache.kafka.connect.file.FileStreamSinkConnector"),
                Map.entry("task.class", "org.apache.kafka.connect.mirror.MirrorSourceTask"),
                Map.entry("config.providers", "file"),
                Map.entry("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
                Map.entry("consumer.override.bootstrap.servers", "evil:9092"),
                Map.entry("producer.override.sasl.jaas.config", "any"),
                Map.entry("admin.override.interceptor\n.classes", "any"),
                Map.entry("value.converter", "io.confluent.connect.avro.AvroConverter"),
                Map.entry("header.converter", "AvroConverter"),
                Map.entry("transforms.a.b.type", "evil.Transform"),
                Map.entry("predicates.p.type", "evil.Predicate"),
                Map.entry("table", REFERENCE),
                Map.entry("topics", "a,${env:A}${env:B}"),
                Map.entry("errors.deadletterqueue.topic.name", "x${file:/etc/passwd:root}"),
                Map.entry("value.converter.schemas.enable", "${${env:A}:B}"),
                Map.entry("host", "evil"));
        attempts.forEach((key, value) ->
                assertEquals(Set.of(key), SinkRules.faults(with(key, value), QUESTDB).keySet(), key));
    }

    @Test
    void theClassAndTheAddressMustBeThere() {
        assertEquals(Set.of("connector.class", "client.conf.string"), SinkRules.faults(Map.of(), QUESTDB).keySet());
    }

    @Test
    void aChangeMayLeaveThemOutButNotTakeThemAway() {
        assertEquals(Map.of(), SinkRules.partFaults(Map.of("tasks.max", "1"), QUESTDB));
        assertEquals(Map.of(), SinkRules.partFaults(Collections.singletonMap("value.converter", null), QUESTDB));
        for (String key : new String[] {"connector.class", "client.conf.string"}) {
            assertEquals(Set.of(key), SinkRules.partFaults(Collections.singletonMap(key, null), QUESTDB).keySet());
        }
    }

    @Test
    void aSinkThatBreaksARuleDoesNotStartAndTellsNoSecret() {
        ConnectException refusal = assertThrows(ConnectException.class, () -> SinkRules.require(
                with("client.conf.string", "http::addr=evil:1;username=u;password=secret;"), QUESTDB));
        assertFalse(refusal.getMessage().contains("secret;"), refusal.getMessage());
        assertThrows(ConnectException.class, () -> new QuestDBSinkTask().start(
                with("client.conf.string", "http::addr=evil:1;username=u;password=p;")));
    }

    private static Map<String, String> with(String key, String value) {
        Map<String, String> changed = new HashMap<>(GOOD);
        changed.put(key, value);
        return changed;
    }
}
