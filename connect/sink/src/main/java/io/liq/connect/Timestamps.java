package io.liq.connect;

import java.util.concurrent.TimeUnit;
import org.apache.kafka.connect.errors.DataException;

/** Turns a designated timestamp into microseconds since the epoch, within what QuestDB stores. */
final class Timestamps {
    /** 9999-12-31T24:00. QuestDB answers a later one as if it were broken itself, and a retry would never end. */
    private static final long END_MICROS = 253_402_300_800_000_000L;

    private Timestamps() {}

    /** {@code unit} is null if it is derived from the size of {@code value}. */
    static long toMicros(long value, TimeUnit unit) {
        long micros = (unit == null ? unitOf(value) : unit).toMicros(value);
        if (micros < 0 || micros >= END_MICROS) {
            throw new DataException("timestamp " + value + " is outside the years 1970 to 9999;"
                    + " check " + SinkConfig.TIMESTAMP_UNITS);
        }
        return micros;
    }

    /** The official connector's bounds. */
    private static TimeUnit unitOf(long value) {
        if (value < 10_000_000_000L) {
            return TimeUnit.SECONDS;
        }
        if (value < 10_000_000_000_000L) {
            return TimeUnit.MILLISECONDS;
        }
        return value < 10_000_000_000_000_000L ? TimeUnit.MICROSECONDS : TimeUnit.NANOSECONDS;
    }

    static TimeUnit unit(String name) {
        return switch (name) {
            case "seconds" -> TimeUnit.SECONDS;
            case "millis" -> TimeUnit.MILLISECONDS;
            case "micros" -> TimeUnit.MICROSECONDS;
            case "nanos" -> TimeUnit.NANOSECONDS;
            default -> null;
        };
    }
}
