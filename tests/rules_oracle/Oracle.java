import com.api.jsonata4java.expressions.Expressions;
import com.dashjoin.jsonata.Jsonata;
import com.dashjoin.jsonata.json.Json;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * Reads a message, then an expression a line; answers each with two lines, of JSONata4Java as Confluent's JsonataExecutor calls
 * it, and of Dashjoin's port of the reference: the result as JSON, "nothing" or "error".
 */
public class Oracle {
    interface Library {
        String evaluate() throws Throwable;
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        // The libraries print what they think of an expression.
        System.setOut(System.err);
        ObjectMapper json = new ObjectMapper();
        String message = in.readLine();
        for (String text; (text = in.readLine()) != null; ) {
            String expression = text;
            out.println(said(() -> {
                JsonNode result = Expressions.parse(expression).evaluate(json.readTree(message), 60_000L, 1_000);
                return result == null ? "nothing" : json.writeValueAsString(result);
            }));
            out.println(said(() -> {
                Object result = Jsonata.jsonata(expression).evaluate(Json.parseJson(message));
                return result == null ? "nothing" : json.writeValueAsString(result);
            }));
        }
        out.flush();
    }

    static String said(Library library) {
        try {
            return library.evaluate();
        } catch (Throwable refused) {
            return "error";
        }
    }
}
