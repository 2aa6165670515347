package io.liq.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import org.junit.jupiter.api.Test;

class ClientConfTest {
    @Test
    void theSinkFlushesAndRetries() {
        assertEquals("http::protocol_version=2;addr=h:9000;auto_flush=off;retry_timeout=1000;",
                ClientConf.patch("http::addr=h:9000;auto_flush_rows=1000;auto_flush_interval=20;retry_timeout=60000;"));
    }

    @Test
    void otherSettingsPassUnchanged() {
        assertEquals("https::protocol_version=1;addr=h:1;username=u;password=a;;b=c;auto_flush=off;retry_timeout=1000;",
                ClientConf.patch("https::protocol_version=1;addr=h:1;username=u;password=a;;b=c"));
    }

    @Test
    void faultsAreNamedWithoutTheSecret() {
        assertEquals(Optional.empty(), ClientConf.fault("http::addr=127.0.0.1:9000;username=u;password=secret;"));
        for (String faulty : new String[] {
            "", "tcp::addr=h:9009;password=secret;", "http::password=secret;username=u;",
            "http::addr=h:9000;password=secret;nonsense=1;", "http::addr=h:x;username=u;password=secret;"}) {
            String fault = ClientConf.fault(faulty).orElseThrow();
            assertTrue(fault.startsWith("client.conf.string "), fault);
            assertFalse(fault.contains("secret"), fault);
        }
    }
}
