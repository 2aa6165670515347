package io.liq.connect;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.errors.DataException;

/**
 * Reads the fields of a JSON object from a record's bytes, as they stand.
 *
 * <p>Connect's JsonConverter builds a tree and then a map of each record. Under load that is most of a
 * worker's work, and the garbage of it more than that; so a record may also come through the
 * ByteArrayConverter, and is read here.
 */
final class JsonObject {
    private static final JsonFactory JSON =
            JsonFactory.builder().enable(StreamReadFeature.USE_FAST_DOUBLE_PARSER).build();

    private JsonObject() {}

    /** Takes the fields one by one. */
    interface Fields {
        /**
         * {@code value} is null, a String, Boolean, Long or Double. Any array is an empty List. An object is an empty
         * Map; its fields follow with its name as their prefix.
         */
        void add(String prefix, String name, Object value);
    }

    static void read(byte[] text, String prefix, Fields fields) {
        try (JsonParser parser = JSON.createParser(text)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new DataException("the value is no JSON object");
            }
            readFields(parser, prefix, fields);
            if (parser.nextToken() != null) {
                throw new DataException("something follows the JSON object");
            }
        } catch (IOException error) {
            throw new DataException("the value is no JSON: " + plain(error), error);
        }
    }

    /** Returns the parser's message without its remarks on the source, which is the record itself. */
    private static String plain(IOException error) {
        return error.getMessage()
                .replaceAll("\\[Source: [^;]*; (line: \\d+, column: \\d+)\\]", "$1")
                .replace("\n", "");
    }

    private static void readFields(JsonParser parser, String prefix, Fields fields) throws IOException {
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            if (parser.nextToken() == JsonToken.START_OBJECT) {
                fields.add(prefix, name, Map.of());
                readFields(parser, Row.join(prefix, name), fields);
            } else {
                fields.add(prefix, name, value(parser));
            }
        }
    }

    private static Object value(JsonParser parser) throws IOException {
        return switch (parser.currentToken()) {
            case VALUE_STRING -> parser.getText();
            case VALUE_NUMBER_INT -> parser.getLongValue();
            case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case START_ARRAY -> {
                parser.skipChildren();
                yield List.of();
            }
            default -> null;
        };
    }
}
