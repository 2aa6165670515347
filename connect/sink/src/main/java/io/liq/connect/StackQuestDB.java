package io.liq.connect;

import java.util.Map;

/**
 * The one QuestDB that a sink may write to, and the admin's password there.
 *
 * <p>The worker has both in its environment. A connector's configuration, which anybody may write, names
 * the password by {@link #REFERENCE}. Only the sink replaces it, and only in a login to this address, so
 * the password can be sent nowhere else.
 */
record StackQuestDB(String address, String password) {
    static final String REFERENCE = "${env:LIQ_QUESTDB_ADMIN_PASSWORD}";

    private static final StackQuestDB OF_WORKER = of(System.getenv());

    static StackQuestDB ofWorker() {
        return OF_WORKER;
    }

    static StackQuestDB of(Map<String, String> environment) {
        return new StackQuestDB(
                environment.getOrDefault("LIQ_QUESTDB_HOST", "127.0.0.1") + ":"
                        + environment.getOrDefault("LIQ_QUESTDB_HTTP_PORT", "9000"),
                environment.getOrDefault("LIQ_QUESTDB_ADMIN_PASSWORD", ""));
    }

    /** Leaves out the password, which a record would print. */
    @Override
    public String toString() {
        return address;
    }
}
