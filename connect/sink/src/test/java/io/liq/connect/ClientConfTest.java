package io.liq.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import org.junit.jupiter.api.Test;

class ClientConfTest {
    private static final StackQuestDB QUESTDB = new StackQuestDB("h:9000", "top;secret");
    private static final String LOGIN = "username=u;password=${env:LIQ_QUESTDB_ADMIN_PASSWORD};";

    @Test
    void theSinkFlushesAndRetries() {
        assertEquals("http::protocol_version=2;addr=h:9000;auto_flush=off;retry_timeout=1000;",
                forSink("http::addr=h:9000;auto_flush_rows=1000;auto_flush_interval=20;retry_timeout=60000;"));
    }

    @Test
    void otherSettingsPassUnchanged() {
        assertEquals("https::protocol_version=1;addr=h:9000;username=u;password=a;;b=c;auto_flush=off;retry_timeout=1000;",
                forSink("https::protocol_version=1;addr=h:9000;username=u;password=a;;b=c"));
    }

    @Test
    void thePasswordTakesThePlaceOfItsReference() {
        assertEquals("http::protocol_version=2;addr=h:9000;username=u;password=top;;secret;auto_flush=off;retry_timeout=1000;",
                forSink("http::addr=h:9000;" + LOGIN));
    }

    @Test
    void whatWritesElsewhereIsRefused() {
        for (String elsewhere : new String[] {
            "http::" + LOGIN,
            "http::addr=evil:9000;" + LOGIN,
            "http::addr=h:9001;" + LOGIN,
            "http::addr=h;" + LOGIN,
            "http::addr=h:9000.evil;" + LOGIN,
            "http::addr=h:9000@evil:1;" + LOGIN,
            "http::addr=h:9000,evil:1;" + LOGIN,
            "http::addr= h:9000;" + LOGIN,
            "http::addr=h:9000;;x;" + LOGIN,
            "http::addr=h:9000;" + LOGIN + "addr=evil:1;",
            "http::addr=evil:1;" + LOGIN + "addr=h:9000;",
            "http::addr=h:9000;" + LOGIN + "ADDR=evil:1;",
            "http::addr=h:9000;" + LOGIN + "addr =evil:1;",
            "http::addr=h:9000;" + LOGIN + ";addr=evil:1;",
            "http::addr=h:9000;" + LOGIN + "\naddr=evil:1;",
            "http::addr=h:9000;" + LOGIN + "token=t;",
            "http::addr=h:9000;" + LOGIN + "proxy=evil;",
            "http::addr=h:9000;" + LOGIN + "tls_roots=/etc/shadow;",
            "https::addr=h:9000;" + LOGIN + "tls_verify=unsafe_off;",
            "HTTP::addr=h:9000;" + LOGIN,
            "ws::addr=h:9000;" + LOGIN,
            "tcp::addr=h:9000;" + LOGIN}) {
            assertTrue(ClientConf.fault(elsewhere, QUESTDB).isPresent(), elsewhere);
        }
        assertEquals(Optional.empty(), ClientConf.fault("http::addr=h:9000;" + LOGIN, QUESTDB));
    }

    @Test
    void aReferenceAnywhereButInThePasswordIsRefused() {
        for (String stray : new String[] {
            "http::addr=h:9000;username=${env:LIQ_QUESTDB_ADMIN_PASSWORD};password=p;",
            "http::addr=h:9000;username=u;password=${env:PATH};",
            "http::addr=h:9000;username=u;password=x${env:LIQ_QUESTDB_ADMIN_PASSWORD};",
            "http::addr=h:9000;username=u;password=${env:LIQ_QUESTDB_ADMIN_PASSWORD}${env:PATH};",
            "http::addr=h:9000;username=u;password=${file:/etc/passwd:root};",
            "http::addr=${env:HOST};username=u;password=p;"}) {
            assertTrue(ClientConf.fault(stray, QUESTDB).isPresent(), stray);
        }
    }

    @Test
    void aWorkerWithoutThePasswordSaysSo() {
        String fault = ClientConf.fault("http::addr=h:9000;" + LOGIN, new StackQuestDB("h:9000", "")).orElseThrow();
        assertTrue(fault.contains("LIQ_QUESTDB_ADMIN_PASSWORD"), fault);
    }

    @Test
    void faultsAreNamedWithoutTheSecret() {
        assertEquals(Optional.empty(), ClientConf.fault("http::addr=h:9000;username=u;password=secret;", QUESTDB));
        for (String faulty : new String[] {
            "", "tcp::addr=h:9009;password=secret;", "http::password=secret;username=u;",
            "http::addr=h:9000;password=secret;nonsense=1;", "http::addr=h:x;username=u;password=secret;",
            "http::addr=h:9000;password=secret;", "http::addr=h:9000;username=u;password=secret;request_timeout=x;",
            "http::secret=secret"}) {
            String fault = ClientConf.fault(faulty, QUESTDB).orElseThrow();
            assertTrue(fault.startsWith("client.conf.string "), fault);
            assertFalse(fault.replace("no \"secret\"", "").contains("secret"), fault);
        }
    }

    private static String forSink(String text) {
        return ClientConf.read(text, QUESTDB).forSink(QUESTDB.password());
    }
}
