package io.liq.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.common.config.ConfigException;
import org.junit.jupiter.api.Test;

class RestFilterTest {
    private static final Set<String> NAMES = Set.of("localhost", "[::1]", "connect");

    @Test
    void ourNamesPassWithAnyPortAndCase() {
        for (String host : new String[] {"localhost", "LocalHost:8083", "[::1]:8083", "connect:1"}) {
            assertTrue(RestFilter.isOurs(host, NAMES), host);
        }
    }

    @Test
    void othersDoNot() {
        for (String host : new String[] {
            null, "", ":8083", "evil.example:8083", "localhost.evil.example", "evil.example#localhost", "localhost@evil.example"}) {
            assertFalse(RestFilter.isOurs(host, NAMES), host);
        }
    }

    @Test
    void aLoginIsAskedForOnlyWhereItIsSwitchedOn() {
        assertEquals(Optional.empty(), RestGuard.password(Map.of("LIQ_CONNECT_PASSWORD", "secret")));
        assertEquals(Optional.of("secret"),
                RestGuard.password(Map.of("LIQ_CONNECT_LOGIN", "True", "LIQ_CONNECT_PASSWORD", "secret")));
    }

    @Test
    void aLoginWithoutAPasswordIsNoLogin() {
        assertThrows(ConfigException.class, () -> RestGuard.password(Map.of("LIQ_CONNECT_LOGIN", "true")));
        assertThrows(ConfigException.class, () -> RestGuard.password(Map.of("LIQ_CONNECT_LOGIN", "1")));
    }
}
