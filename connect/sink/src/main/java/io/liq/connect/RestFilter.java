package io.liq.connect;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import jakarta.ws.rs.container.ContainerRequestContext;
import jakarta.ws.rs.container.ContainerRequestFilter;
import jakarta.ws.rs.container.PreMatching;
import jakarta.ws.rs.core.HttpHeaders;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Lets a request to Connect's REST API pass if it comes from no web page, logs in where a login is asked for,
 * and does nothing but run sinks that keep to {@link SinkRules}.
 *
 * <p>A browser names the page a request comes from in {@code Origin} or {@code Sec-Fetch-Site}. A page whose
 * owner points its own name at 127.0.0.1 is of the same origin, but its requests carry that name as
 * {@code Host}.
 */
@PreMatching
final class RestFilter implements ContainerRequestFilter {
    static final String USER = "liq";

    private static final String ONE = "connectors/[^/;]+";
    private static final Set<String> READS = Set.of("GET", "HEAD", "OPTIONS");
    /** "none" is an address that the user typed. Another port of this host is "same-site", so refused. */
    private static final Set<String> OUR_SITES = Set.of("none", "same-origin");
    private static final Pattern HEALTH = Pattern.compile("GET health");
    private static final Pattern CREATE = Pattern.compile("POST connectors/?");
    private static final Pattern CONFIGURE =
            Pattern.compile("PUT (" + ONE + "/config|connector-plugins/[^/;]+/config/validate)/?");
    private static final Pattern CHANGE = Pattern.compile("PATCH " + ONE + "/config/?");
    private static final Pattern OPERATE = Pattern.compile("PUT " + ONE + "/(pause|resume|stop)/?"
            + "|POST " + ONE + "(/tasks/\\d+)?/restart/?|DELETE " + ONE + "/?");
    /** What one worker asks another. Connect checks a signature instead of a login. */
    private static final Pattern TASKS = Pattern.compile("POST " + ONE + "/tasks/?");
    private static final Pattern FENCE = Pattern.compile("PUT " + ONE + "/fence/?");

    private static final int LONGEST = 1 << 20;
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final Set<String> names;
    private final Optional<byte[]> login;
    private final StackQuestDB questdb;

    RestFilter(Set<String> names, Optional<String> password, StackQuestDB questdb) {
        this.names = names;
        this.login = password.map(secret -> (USER + ":" + secret).getBytes(StandardCharsets.UTF_8));
        this.questdb = questdb;
    }

    @Override
    public void filter(ContainerRequestContext request) throws IOException {
        // as it was sent: an encoded path matches nothing below
        String action = request.getMethod() + " " + request.getUriInfo().getPath(false).replaceFirst("^/+", "");
        Response refusal = refusal(action, request);
        if (refusal != null) {
            request.abortWith(refusal);
        }
    }

    private Response refusal(String action, ContainerRequestContext request) throws IOException {
        String host = request.getHeaderString(HttpHeaders.HOST);
        if (!isOurs(host, names)) {
            return answer(Response.Status.FORBIDDEN, "this host has another name");
        }
        if (!isFromNoPage(request, host)) {
            return answer(Response.Status.FORBIDDEN, "web pages may not use Kafka Connect");
        }
        boolean internal = TASKS.matcher(action).matches() || FENCE.matcher(action).matches();
        if (!internal && !HEALTH.matcher(action).matches()
                && !mayEnter(request.getHeaderString(HttpHeaders.AUTHORIZATION))) {
            return answer(Response.Status.UNAUTHORIZED, "log in as user " + USER + " with LIQ_CONNECT_PASSWORD");
        }
        if (READS.contains(request.getMethod()) || OPERATE.matcher(action).matches() || FENCE.matcher(action).matches()) {
            return null;
        }
        if (CREATE.matcher(action).matches()) {
            return checkBody(request, body -> SinkRules.faults(config(body.path("config")), questdb));
        }
        if (CONFIGURE.matcher(action).matches()) {
            return checkBody(request, body -> SinkRules.faults(config(body), questdb));
        }
        if (CHANGE.matcher(action).matches()) {
            return checkBody(request, body -> SinkRules.partFaults(config(body), questdb));
        }
        if (TASKS.matcher(action).matches()) {
            return checkBody(request, this::taskFaults);
        }
        return answer(Response.Status.FORBIDDEN, "this request is refused: it does more than to run sinks");
    }

    static boolean isOurs(String host, Set<String> names) {
        if (host == null) {
            return false;
        }
        String name = host.replaceFirst(":\\d*$", "").toLowerCase(Locale.ROOT);
        return names.contains(name);
    }

    private static boolean isFromNoPage(ContainerRequestContext request, String host) {
        String origin = request.getHeaderString("Origin");
        String site = request.getHeaderString("Sec-Fetch-Site");
        return (origin == null || origin.equals("http://" + host)) && (site == null || OUR_SITES.contains(site));
    }

    private boolean mayEnter(String authorization) {
        if (login.isEmpty()) {
            return true;
        }
        if (authorization == null || !authorization.regionMatches(true, 0, "Basic ", 0, 6)) {
            return false;
        }
        try {
            byte[] given = Base64.getDecoder().decode(authorization.substring(6).trim());
            return MessageDigest.isEqual(given, login.get()); // takes the same time wherever they differ
        } catch (IllegalArgumentException notBase64) {
            return false;
        }
    }

    private interface Check {
        Map<String, String> faults(JsonNode body) throws IOException;
    }

    private Response checkBody(ContainerRequestContext request, Check check) throws IOException {
        byte[] body = request.getEntityStream().readNBytes(LONGEST + 1);
        request.setEntityStream(new ByteArrayInputStream(body));
        if (body.length > LONGEST) {
            return answer(Response.Status.REQUEST_ENTITY_TOO_LARGE, "the body has more than " + LONGEST + " bytes");
        }
        try {
            // UTF-8 whatever it says of itself: Connect must read what was checked
            Map<String, String> faults = check.faults(JSON.readTree(new String(body, StandardCharsets.UTF_8)));
            return faults.isEmpty() ? null : answer(Response.Status.BAD_REQUEST, String.join("\n", faults.values()));
        } catch (JsonProcessingException error) {
            return answer(Response.Status.BAD_REQUEST, "the body is not the JSON that this request takes: "
                    + error.getOriginalMessage());
        }
    }

    private Map<String, String> taskFaults(JsonNode tasks) throws IOException {
        Map<String, String> faults = new HashMap<>();
        for (JsonNode task : tasks) {
            faults.putAll(SinkRules.partFaults(config(task), questdb));
        }
        return faults;
    }

    private static Map<String, String> config(JsonNode node) throws IOException {
        if (!node.isObject()) {
            throw JsonMappingException.from((JsonParser) null, "a configuration is missing");
        }
        return JSON.readerForMapOf(String.class).readValue(node);
    }

    private static Response answer(Response.Status status, String message) {
        String body = JsonNodeFactory.instance.objectNode()
                .put("error_code", status.getStatusCode())
                .put("message", message)
                .toString();
        Response.ResponseBuilder answer = Response.status(status).type(MediaType.APPLICATION_JSON_TYPE).entity(body);
        if (status == Response.Status.UNAUTHORIZED) {
            answer.header(HttpHeaders.WWW_AUTHENTICATE, "Basic realm=\"Kafka Connect\"");
        }
        return answer.build();
    }
}
