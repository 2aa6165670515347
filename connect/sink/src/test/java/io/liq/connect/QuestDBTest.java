package io.liq.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.questdb.client.cutlass.line.LineSenderException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.Test;

class QuestDBTest {
    private static final Row ROW = new Row(new SinkConfig(Map.of("table", "t", "timestamp.field.name", "ts")));

    @Test
    void aBatchIsOneRequest() {
        RecordingSender recording = new RecordingSender(rows -> {});
        assertEquals(List.of(), new QuestDB(ROW, recording.sender()).deliver(records(0, 100)));
        assertEquals(1, recording.requests);
        assertEquals(100, recording.stored.size());
    }

    @Test
    void onlyTheBadRowsAreRejectedHoweverManyAndWherever() {
        RecordingSender recording = new RecordingSender(QuestDBTest::refuseSevens);
        List<SinkRecord> records = new ArrayList<>(records(0, 100));
        records.add(3, new SinkRecord("topic", 0, null, null, null, null, 500));
        List<Rejection> rejections = new QuestDB(ROW, recording.sender()).deliver(records);
        assertEquals(List.of(7L, 17L, 27L, 37L, 47L, 57L, 67L, 77L, 87L, 97L, 500L), offsets(rejections));
        assertEquals(90, recording.stored.size());
        assertTrue(rejections.get(1).reason().getMessage().contains("cast error"));
    }

    @Test
    void anOutageDuringTheIsolationJudgesNoRow() {
        int[] left = {3};
        RecordingSender recording = new RecordingSender(rows -> {
            if (left[0]-- == 0) {
                throw new LineSenderException("Could not flush buffer: http://h:9000/write Connection Failed");
            }
            refuseSevens(rows);
        });
        QuestDB questdb = new QuestDB(ROW, recording.sender());
        assertThrows(RetriableException.class, () -> questdb.deliver(records(0, 16)));
        assertEquals(List.of(7L), offsets(questdb.deliver(records(0, 16))));
    }

    @Test
    void theAnswersOfQuestDBAreToldApart() {
        assertAnswer(RetriableException.class, "internal error [http-status=500]");
        assertAnswer(RetriableException.class, "not ready [http-status=503]");
        assertAnswer(RetriableException.class, "Connection Failed: could not connect to host [errno=111]");
        assertAnswer(RetriableException.class, "table: t; table does not exist [http-status=400, line: 1]");
        assertAnswer(ConnectException.class, "HTTP endpoint authentication error [http-status=401]");
        assertAnswer(ConnectException.class, "HTTP endpoint does not support ILP. [http-status=405]");
    }

    private static void assertAnswer(Class<? extends Exception> expected, String answer) {
        RecordingSender recording = new RecordingSender(rows -> {
            throw new LineSenderException("Could not flush buffer: " + answer);
        });
        Exception thrown = assertThrows(expected, () -> new QuestDB(ROW, recording.sender()).deliver(records(0, 4)));
        assertEquals(expected, thrown.getClass(), answer);
    }

    private static void refuseSevens(List<String> rows) {
        if (rows.stream().anyMatch(row -> row.contains("longColumn[n, ") && row.contains("7]"))) {
            throw new LineSenderException("Could not flush buffer: cast error [http-status=400, line: 1]");
        }
    }

    private static List<SinkRecord> records(long from, long to) {
        return LongStream.range(from, to)
                .mapToObj(n -> new SinkRecord("topic", 0, null, null, null, Map.of("ts", 1L, "n", n), n))
                .toList();
    }

    private static List<Long> offsets(List<Rejection> rejections) {
        return rejections.stream().map(rejection -> rejection.record().kafkaOffset()).sorted().toList();
    }
}
