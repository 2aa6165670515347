package io.liq.connect;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.errors.DataException;

/**
 * What the fields of a record may hold. The Python side has the rules from its record types
 * ({@code liq.records.rules}), checks what it publishes by them, and writes them into the configuration.
 *
 * <p>A rule is a name, with {@code ?} if the field may be null and {@code *} if it may be missing, its kind, and
 * bounds of the value, or of a text's length: {@code price number >=2e-10 <1e+18},
 * {@code symbol text >=1 <=100}, {@code side one long short}, {@code connected flag}, {@code event_id whole}, {@code ts time >=1262304000000000 <=now+86400000000}.
 */
final class Rules {
    private static final String AHEAD = "<=now+";

    private final Map<String, Rule> rules = new LinkedHashMap<>();
    private final long required;
    private long seen;

    private Rules(List<String> texts) {
        long needed = 0;
        for (String text : texts) {
            Rule rule = Rule.of(text.trim().split(" +"), 1L << rules.size());
            rules.put(rule.name, rule);
            needed |= rule.later ? 0 : rule.bit;
        }
        required = needed;
    }

    /** Returns null where there are no rules. */
    static Rules of(List<String> texts) {
        if (texts.size() > Long.SIZE) {
            throw new ConfigException(SinkConfig.RULES, texts.size() + " rules", "takes 64 at most");
        }
        return texts.isEmpty() ? null : new Rules(texts);
    }

    /** Forgets the fields of the record before. */
    void begin() {
        seen = 0;
    }

    Set<String> names() {
        return rules.keySet();
    }

    /** Returns null for a name that no field has. */
    Rule of(String name) {
        return rules.get(name);
    }

    /** Throws if the record cannot have this field, whose {@code rule} is given; {@code value} may be null. */
    void check(String name, Rule rule, Object value) {
        if (rule == null) {
            throw new DataException("\"" + name + "\" is no field of the record");
        }
        if ((seen & rule.bit) != 0) {
            throw new DataException("\"" + name + "\" is there twice");
        }
        seen |= rule.bit;
        if (value == null ? !rule.nullable : !rule.allows(value)) {
            throw new DataException(rule.fault(value));
        }
    }

    /** Returns whether the record has the field, now that all of its fields were checked. */
    boolean has(Rule rule) {
        return (seen & rule.bit) != 0;
    }

    /** Throws if the record lacks a field. */
    void end() {
        if ((seen & required) != required) {
            String missing = rules.values().stream()
                    .filter(rule -> !rule.later && (seen & rule.bit) == 0)
                    .map(rule -> "\"" + rule.name + "\" is missing").findFirst().orElseThrow();
            throw new DataException(missing);
        }
    }

    private enum Kind { TIME, WHOLE, NUMBER, TEXT, ONE, FLAG }

    /** One field's rule: whole numbers, and lengths, are compared as such, all else as doubles. */
    static final class Rule {
        final String name;
        final boolean nullable;
        final boolean later;
        final long bit;
        private final Kind kind;
        private final String words;
        private final Set<String> choices;
        private long least = Long.MIN_VALUE;
        private long most = Long.MAX_VALUE;
        private double above = Double.NEGATIVE_INFINITY;
        private double below = Double.POSITIVE_INFINITY;
        private long ahead = -1;
        private long latest = Long.MIN_VALUE;

        static Rule of(String[] words, long bit) {
            try {
                return new Rule(words, bit);
            } catch (IllegalArgumentException | IndexOutOfBoundsException error) {
                throw new ConfigException(SinkConfig.RULES, String.join(" ", words), "is no rule");
            }
        }

        private Rule(String[] words, long bit) {
            this.bit = bit;
            name = words[0].replaceAll("[?*]+$", "");
            nullable = words[0].indexOf('?', name.length()) >= 0;
            later = words[0].indexOf('*', name.length()) >= 0;
            if (name.isEmpty()) {
                throw new IllegalArgumentException("no name");
            }
            kind = Kind.valueOf(words[1].toUpperCase());
            List<String> others = List.of(words).subList(2, words.length);
            choices = kind == Kind.ONE ? Set.copyOf(others) : Set.of();
            this.words = String.join(" ", others);
            if (kind != Kind.ONE) {
                others.forEach(this::bound);
            }
        }

        private void bound(String text) {
            if (text.startsWith(AHEAD)) {
                ahead = Long.parseLong(text.substring(AHEAD.length()));
                return;
            }
            boolean equal = text.startsWith("=", 1);
            boolean lower = text.startsWith(">");
            if (!lower && !text.startsWith("<")) {
                throw new IllegalArgumentException(text);
            }
            String number = text.substring(equal ? 2 : 1);
            if (kind == Kind.NUMBER) {
                double bound = Double.parseDouble(number);
                // the next number beyond one that may be reached may not
                above = !lower ? above : equal ? Math.nextDown(bound) : bound;
                below = lower ? below : equal ? Math.nextUp(bound) : bound;
            } else {
                long bound = Long.parseLong(number);
                least = !lower ? least : equal ? bound : bound + 1;
                most = lower ? most : equal ? bound : bound - 1;
            }
        }

        boolean allows(Object value) {
            return switch (kind) {
                case TEXT -> value instanceof String text && text.length() >= least && text.length() <= most
                        && (least < 1 || !isBlank(text));
                case ONE -> value instanceof String text && choices.contains(text);
                case FLAG -> value instanceof Boolean;
                case NUMBER -> value instanceof Number number
                        && number.doubleValue() > above && number.doubleValue() < below;
                case WHOLE -> isWhole(value) && inBounds(((Number) value).longValue());
                case TIME -> isWhole(value) && inBounds(((Number) value).longValue())
                        && isPast(((Number) value).longValue());
            };
        }

        /** The first character decides, but for the few texts that begin with a blank. */
        private static boolean isBlank(String text) {
            return text.charAt(0) <= ' ' && text.trim().isEmpty();
        }

        private static boolean isWhole(Object value) {
            return value instanceof Long || value instanceof Integer || value instanceof Short || value instanceof Byte;
        }

        private boolean inBounds(long number) {
            return number >= least && number <= most;
        }

        /** The clock is read only for what would have been too late when it was read before. */
        private boolean isPast(long micros) {
            if (ahead >= 0 && micros > latest) {
                latest = 1000 * System.currentTimeMillis() + ahead;
            }
            return ahead < 0 || micros <= latest;
        }

        String fault(Object value) {
            String said = value == null ? "null" : value instanceof List ? "an array" : value instanceof Map
                    ? "an object" : value.getClass().getSimpleName() + " " + shortened(value.toString());
            String wanted = switch (kind) {
                case TIME -> "a whole number of microseconds " + words;
                case WHOLE -> "a whole number " + words;
                case NUMBER -> "a number " + words;
                case TEXT -> "a text of " + words + " characters";
                case ONE -> "one of " + words;
                case FLAG -> "true or false";
            };
            return "\"" + name + "\" takes " + wanted + ", not " + said;
        }

        private static String shortened(String text) {
            return text.length() > 100 ? text.substring(0, 100) + "…" : text;
        }
    }
}
