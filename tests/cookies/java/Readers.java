import io.netty.handler.codec.http.cookie.ServerCookieDecoder;
import io.undertow.util.Cookies;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.regex.Pattern;
import org.apache.tomcat.util.http.MimeHeaders;
import org.apache.tomcat.util.http.Rfc6265CookieProcessor;
import org.apache.tomcat.util.http.ServerCookies;
import org.eclipse.jetty.http.CookieCompliance;
import org.eclipse.jetty.http.CookieParser;

/**
 * Reads Cookie fields as Java's servers read them, for the Go test beside it. Its lines are those
 * of readers.py.
 */
class Readers {
    interface Reader {
        void read(List<byte[]> fields, Reading into) throws Exception;
    }

    /** The cookies of a request by name, each with all its values. */
    static class Reading extends LinkedHashMap<String, List<String>> {
        void add(String name, String value) {
            computeIfAbsent(name, n -> new ArrayList<>()).add(value == null ? "" : value);
        }
    }

    static void tomcat(List<byte[]> fields, Reading into) {
        var headers = new MimeHeaders();
        for (byte[] field : fields) {
            headers.addValue("Cookie").setBytes(field, 0, field.length);
        }
        var cookies = new ServerCookies(4);
        var processor = new Rfc6265CookieProcessor();
        processor.parseCookieHeader(headers, cookies);
        for (int i = 0; i < cookies.getCookieCount(); i++) { // as Request.convertCookies
            var cookie = cookies.getCookie(i);
            cookie.getValue().getByteChunk().setCharset(processor.getCharset());
            into.add(cookie.getName().toString(), cookie.getValue().toString().replaceAll("\\\\(.)", "$1"));
        }
    }

    static Reader jetty(CookieCompliance compliance) {
        return (fields, into) -> CookieParser
            .newParser((name, value, version, domain, path, comment) -> into.add(name, value), compliance, null)
            .parseFields(texts(fields));
    }

    static Reader netty(ServerCookieDecoder decoder) {
        return (fields, into) -> {
            for (String field : texts(fields)) {
                for (var cookie : decoder.decodeAll(field)) {
                    into.add(cookie.name(), cookie.value());
                }
            }
        };
    }

    @SuppressWarnings("removal") // what takes its place needs a whole exchange
    static Reader undertow(boolean equalsInValue) {
        return (fields, into) -> {
            var cookies = new LinkedHashSet<io.undertow.server.handlers.Cookie>();
            Cookies.parseRequestCookies(1000, equalsInValue, texts(fields), cookies);
            for (var cookie : cookies) {
                into.add(cookie.getName(), cookie.getValue());
            }
        };
    }

    static List<String> texts(List<byte[]> fields) {
        return fields.stream().map(field -> new String(field, StandardCharsets.ISO_8859_1)).toList();
    }

    static final Pattern REQUEST = Pattern.compile("\\[([^\\[\\]]*)\\]");
    static final Pattern FIELD = Pattern.compile("\"([^\"]*)\"");

    static List<List<byte[]>> requests(String line) {
        return REQUEST.matcher(line).results().map(request -> FIELD.matcher(request.group(1)).results()
            .map(field -> Base64.getDecoder().decode(field.group(1))).toList()).toList();
    }

    static String quoted(String text) {
        var out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            out.append(c < ' ' || c > '~' || c == '"' || c == '\\' ? String.format("\\u%04x", (int) c) : c);
        }
        return out.append('"').toString();
    }

    static String attempt(Reader reader, List<byte[]> fields) {
        var reading = new Reading();
        try {
            reader.read(fields, reading);
        } catch (Exception e) {
            return "null";
        }
        var out = new StringJoiner(",", "{", "}");
        reading.forEach((name, values) -> out.add(quoted(name) + ":[" + String.join(",", values.stream().map(Readers::quoted).toList()) + "]"));
        return out.toString();
    }

    public static void main(String[] args) throws Exception {
        java.util.logging.LogManager.getLogManager().reset(); // some readers log what they skip
        Map<String, Reader> readers = new LinkedHashMap<>();
        readers.put("Tomcat", Readers::tomcat);
        readers.put("Jetty", jetty(CookieCompliance.RFC6265));
        readers.put("Jetty, strict", jetty(CookieCompliance.RFC6265_STRICT));
        readers.put("Jetty, RFC 2965", jetty(CookieCompliance.RFC2965));
        readers.put("Netty", netty(ServerCookieDecoder.STRICT));
        readers.put("Netty, lax", netty(ServerCookieDecoder.LAX));
        readers.put("Undertow", undertow(false));
        readers.put("Undertow, equals in values", undertow(true));
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line; (line = in.readLine()) != null; ) {
            var requests = requests(line);
            var answer = new StringJoiner(",", "{", "}");
            readers.forEach((name, reader) -> answer.add(quoted(name) + ":["
                + String.join(",", requests.stream().map(fields -> attempt(reader, fields)).toList()) + "]"));
            System.out.println(answer);
        }
    }
}
