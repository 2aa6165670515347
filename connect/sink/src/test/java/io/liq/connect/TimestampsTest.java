package io.liq.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.apache.kafka.connect.errors.DataException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TimestampsTest {
    @ParameterizedTest
    @CsvSource({
        "1700000000, seconds", "1700000000000, millis", "1700000000000000, micros", "1700000000000000000, nanos",
        "1700000000, auto", "1700000000000, auto", "1700000000000000, auto", "1700000000000000000, auto"})
    void unitsAreConverted(long value, String unit) {
        assertEquals(1_700_000_000_000_000L, Timestamps.toMicros(value, Timestamps.unit(unit)));
    }

    @Test
    void theLastMicrosecondIsTakenAndTheNextIsNot() {
        assertEquals(253_402_300_799_999_999L,
                Timestamps.toMicros(253_402_300_799_999_999L, Timestamps.unit("micros")));
        assertThrows(DataException.class,
                () -> Timestamps.toMicros(253_402_300_800_000_000L, Timestamps.unit("micros")));
        assertThrows(DataException.class, () -> Timestamps.toMicros(Long.MAX_VALUE, Timestamps.unit("seconds")));
        assertThrows(DataException.class, () -> Timestamps.toMicros(-1, Timestamps.unit("micros")));
    }
}
