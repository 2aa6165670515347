package io.liq.connect;

import java.util.HashMap;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.errors.DataException;

/**
 * Adds the coin to records of earlier versions, which have the base asset only: {@code 1000PEPE} is 1,000 PEPE.
 *
 * <p>The Python side has the rule ({@code liq.records.coins}) and writes it into the configuration: a pattern with
 * the groups multiplier, coin and multiplier, then names with coins per base, {@code XBT=1*BTC}.
 */
final class Coins {
    private static final int MOST_KNOWN = 4096;

    private final Pattern multiplied;
    private final Map<String, Coin> named = new HashMap<>();
    private final Map<String, Coin> known = new HashMap<>();
    private final Rules.Rule asset;
    private final Rules.Rule quantity;
    private final Rules.Rule price;

    private record Coin(String asset, double units) {}

    private Coins(String text, Rules rules) {
        try {
            String[] words = text.trim().split(" +");
            multiplied = Pattern.compile(words[0]);
            for (int i = 1; i < words.length; i++) {
                String[] parts = words[i].split("[=*]", 3);
                named.put(parts[0], new Coin(parts[2], Double.parseDouble(parts[1])));
            }
        } catch (IllegalArgumentException | IndexOutOfBoundsException error) {
            throw new ConfigException(SinkConfig.COINS, text, "is no rule of coins");
        }
        asset = rules.of("asset");
        quantity = rules.of("asset_quantity");
        price = rules.of("asset_price");
    }

    /** Returns null where nothing is to be derived: without a rule, or for records without an asset. */
    static Coins of(String text, Rules rules) {
        return text.isBlank() || rules == null || rules.of("asset") == null ? null : new Coins(text, rules);
    }

    /** Adds the fields that the record does not have. Throws if it has neither asset nor base. */
    void complete(Rules rules, Function<String, Object> value, BiConsumer<String, Object> add) {
        boolean complete = rules.has(asset) && (quantity == null || rules.has(quantity))
                && (price == null || rules.has(price));
        if (complete) {
            return;
        }
        Object base = value.apply("base");
        if (base == null) {
            throw new DataException("it has neither asset nor base");
        }
        Coin coin = coin(base.toString());
        if (!rules.has(asset)) {
            add.accept("asset", coin.asset());
        }
        if (quantity != null && !rules.has(quantity)) {
            add.accept("asset_quantity", ((Number) value.apply("quantity")).doubleValue() * coin.units());
        }
        if (price != null && !rules.has(price)) {
            add.accept("asset_price", ((Number) value.apply("price")).doubleValue() / coin.units());
        }
    }

    private Coin coin(String base) {
        if (known.size() > MOST_KNOWN) {
            known.clear();
        }
        return known.computeIfAbsent(base, this::derive);
    }

    private Coin derive(String base) {
        Matcher parts = multiplied.matcher(base);
        if (named.containsKey(base) || !parts.matches()) {
            return named.getOrDefault(base, new Coin(base, 1));
        }
        return new Coin(parts.group(2), units(parts.group(1)) * units(parts.group(3)));
    }

    private static double units(String text) {
        return switch (text == null ? "" : text) {
            case "" -> 1;
            case "k" -> 1e3;
            case "1M" -> 1e6;
            default -> Double.parseDouble(text);
        };
    }
}
