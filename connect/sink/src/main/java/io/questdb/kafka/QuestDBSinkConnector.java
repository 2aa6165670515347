package io.questdb.kafka;

import io.liq.connect.LiqQuestDBSinkConnector;

/**
 * liq's sink under the name of the official connector, which Maven Central does not carry.
 *
 * <p>It lets a configuration written for the official connector be posted unchanged to a worker that
 * has only liq's. Where the official one is installed too, Connect loads that one, for its version
 * sorts after this one's.
 */
public final class QuestDBSinkConnector extends LiqQuestDBSinkConnector {
    @Override
    public String version() {
        return "liq-" + super.version();
    }
}
