package io.liq.connect;

import io.questdb.client.Sender;
import io.questdb.client.cutlass.http.client.HttpClientException;
import io.questdb.client.cutlass.line.LineSenderException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.SinkRecord;

/** QuestDB's line protocol over HTTP: a batch is one request, which the server commits whole or not at all. */
final class QuestDB implements AutoCloseable {
    private static final Pattern STATUS = Pattern.compile("\\[http-status=(\\d{3})");

    private final Row row;
    private final Sender sender;

    QuestDB(Row row, Sender sender) {
        this.row = row;
        this.sender = sender;
    }

    static QuestDB open(SinkConfig config, StackQuestDB stack) {
        String client =
                ClientConf.read(config.getPassword(SinkConfig.CLIENT).value(), stack).forSink(stack.password());
        return new QuestDB(new Row(config), Sender.fromConfig(client));
    }

    /**
     * Stores every record that can be a row and returns the others.
     *
     * <p>Throws {@link RetriableException} when QuestDB is away. Then some records may be stored already, and
     * none has been judged: deliver all of them again. A table that deduplicates takes that without a trace.
     */
    List<Rejection> deliver(List<SinkRecord> records) {
        List<Rejection> rejections = new ArrayList<>();
        deliver(records, rejections);
        return rejections;
    }

    private void deliver(List<SinkRecord> records, List<Rejection> rejections) {
        int before = rejections.size();
        try {
            sender.reset();
            for (SinkRecord record : records) {
                try {
                    row.write(record, sender);
                } catch (DataException reason) {
                    rejections.add(new Rejection(record, reason));
                }
            }
            sender.flush();
        } catch (LineSenderException | HttpClientException error) {
            DataException refusal = refusal(error);
            rejections.subList(before, rejections.size()).clear();
            if (records.size() == 1) {
                rejections.add(new Rejection(records.get(0), refusal));
            } else {
                // one bad row fails the whole request: halve it until the bad row is alone
                int half = records.size() / 2;
                deliver(records.subList(0, half), rejections);
                deliver(records.subList(half, records.size()), rejections);
            }
        }
    }

    /** Returns {@code error} if it is QuestDB's verdict on the rows; throws if it says nothing about them. */
    private static DataException refusal(RuntimeException error) {
        String message = String.valueOf(error.getMessage());
        if (message.contains("table does not exist")) {
            throw new RetriableException("QuestDB lacks the table, create it (`liq up` does): " + message, error);
        }
        Matcher status = STATUS.matcher(message);
        return switch (status.find() ? status.group(1) : "none") {
            // 413 is a batch too large for one request
            case "400", "413" -> new DataException("QuestDB refused the row: " + message, error);
            case "401", "403" -> throw new ConnectException(
                    "QuestDB refused the username and password of " + SinkConfig.CLIENT + ": " + message, error);
            case "405" -> throw new ConnectException(
                    "QuestDB's line protocol over HTTP is off, set line.http.enabled=true: " + message, error);
            default -> throw new RetriableException("QuestDB takes no rows now: " + message, error);
        };
    }

    @Override
    public void close() {
        sender.close();
    }
}
