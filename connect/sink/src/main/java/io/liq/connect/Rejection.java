package io.liq.connect;

import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.SinkRecord;

/** A record that can be no row, and why. */
record Rejection(SinkRecord record, DataException reason) {}
