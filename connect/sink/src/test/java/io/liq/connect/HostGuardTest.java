package io.liq.connect;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import org.junit.jupiter.api.Test;

class HostGuardTest {
    private static final Set<String> NAMES = Set.of("localhost", "[::1]", "connect");

    @Test
    void ourNamesPassWithAnyPortAndCase() {
        for (String host : new String[] {"localhost", "LocalHost:8083", "[::1]:8083", "connect:1"}) {
            assertTrue(HostGuard.isOurs(host, NAMES), host);
        }
    }

    @Test
    void othersDoNot() {
        for (String host : new String[] {
            null, "", ":8083", "evil.example:8083", "localhost.evil.example", "evil.example#localhost", "localhost@evil.example"}) {
            assertFalse(HostGuard.isOurs(host, NAMES), host);
        }
    }
}
