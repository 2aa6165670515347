package io.liq.connect;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Delivers each poll's records before it returns, so that Connect commits only offsets of stored rows.
 *
 * <p>While QuestDB is away the batch is handed back to Connect, which keeps it, pauses the topic and
 * brings the same batch again. Rejected records are reported only once all others are stored, so an
 * outage in between leaves nothing half reported.
 */
public final class QuestDBSinkTask extends SinkTask {
    static final String VERSION = String.valueOf(QuestDBSinkTask.class.getPackage().getImplementationVersion());

    private static final Logger LOG = LoggerFactory.getLogger(QuestDBSinkTask.class);
    private static final long FIRST_BACKOFF_MILLIS = 50;

    private QuestDB questdb;
    private ErrantRecordReporter reporter;
    private long maxBackoff;
    private long backoff = FIRST_BACKOFF_MILLIS;

    @Override
    public void start(Map<String, String> properties) {
        StackQuestDB stack = StackQuestDB.ofWorker();
        // REST is not the only way in: whoever writes to Connect's topic has no other check to pass
        SinkRules.require(properties, stack);
        SinkConfig config = new SinkConfig(properties);
        maxBackoff = config.getLong(SinkConfig.MAX_BACKOFF);
        reporter = context.errantRecordReporter();
        questdb = QuestDB.open(config, stack);
    }

    @Override
    public void put(Collection<SinkRecord> records) {
        if (records.isEmpty()) {
            return;
        }
        List<Rejection> rejections;
        try {
            rejections = questdb.deliver(List.copyOf(records));
        } catch (RetriableException outage) {
            backoff = Math.min(2 * backoff, maxBackoff);
            context.timeout(backoff);
            throw outage;
        }
        backoff = FIRST_BACKOFF_MILLIS;
        if (!rejections.isEmpty()) {
            LOG.warn("{} of {} records rejected, the first: {}",
                    rejections.size(), records.size(), rejections.get(0).reason().getMessage());
            rejections.forEach(this::setAside);
        }
    }

    private void setAside(Rejection rejection) {
        SinkRecord record = rejection.record();
        if (reporter == null) {
            throw new ConnectException("record " + record.topic() + "-" + record.kafkaPartition() + "@"
                    + record.kafkaOffset() + ": " + rejection.reason().getMessage()
                    + "; to set such records aside, set errors.tolerance=all and errors.deadletterqueue.topic.name",
                    rejection.reason());
        }
        reporter.report(record, rejection.reason());
    }

    @Override
    public void stop() {
        if (questdb != null) {
            questdb.close();
        }
    }

    @Override
    public String version() {
        return VERSION;
    }
}
