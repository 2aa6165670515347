package io.liq.connect;

import jakarta.ws.rs.container.ContainerRequestContext;
import jakarta.ws.rs.container.ContainerRequestFilter;
import jakarta.ws.rs.container.PreMatching;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.connect.rest.ConnectRestExtension;
import org.apache.kafka.connect.rest.ConnectRestExtensionContext;

/**
 * Refuses requests to Connect's REST API that name another host than this one.
 *
 * <p>The API asks for no password. What keeps a web page from registering connectors on the machine
 * of whoever reads it is the browser: it asks first before it sends JSON to another host, and
 * Connect does not consent. But a name that its owner points at 127.0.0.1 is no other host to that
 * owner's page. Such a request carries that name, which is how it is told.
 */
public class HostGuard implements ConnectRestExtension {
    private static final List<String> LOCAL = List.of("localhost", "127.0.0.1", "[::1]");

    private final Set<String> names = new HashSet<>(LOCAL);

    @Override
    public void configure(Map<String, ?> worker) {
        Object advertised = worker.get("rest.advertised.host.name");
        if (advertised != null) {
            names.add(advertised.toString().toLowerCase(Locale.ROOT));
        }
    }

    @Override
    public void register(ConnectRestExtensionContext context) {
        context.configurable().register(new Filter(names));
    }

    @Override
    public String version() {
        return QuestDBSinkTask.VERSION;
    }

    @Override
    public void close() {
        // it holds nothing
    }

    static boolean isOurs(String host, Set<String> names) {
        if (host == null) {
            return false;
        }
        String name = host.replaceFirst(":\\d*$", "").toLowerCase(Locale.ROOT);
        return names.contains(name);
    }

    @PreMatching
    static class Filter implements ContainerRequestFilter {
        private final Set<String> names;

        Filter(Set<String> names) {
            this.names = names;
        }

        @Override
        public void filter(ContainerRequestContext request) {
            if (!isOurs(request.getHeaderString("Host"), names)) {
                request.abortWith(
                        Response.status(Response.Status.FORBIDDEN)
                                .type(MediaType.APPLICATION_JSON_TYPE)
                                .entity("{\"error_code\":403,\"message\":\"this host has another name\"}")
                                .build());
            }
        }
    }
}
