// Kafka's own command-line tools in one JVM: reads command lines, runs each, answers what it printed and a line `exit N`.
// Starting a JVM per command would take most of a test's time.

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import org.apache.kafka.common.utils.Exit;

public class Tools {
  private static final Map<String, String> CLASSES = Map.of(
      "kafka-acls.sh", "org.apache.kafka.tools.AclCommand",
      "kafka-configs.sh", "kafka.admin.ConfigCommand");

  private static class Exited extends Error {
    private final int code;

    Exited(int code) {
      super("exit " + code);
      this.code = code;
    }
  }

  public static void main(String[] args) throws Exception {
    Exit.setExitProcedure((code, message) -> { throw new Exited(code); });
    PrintStream out = System.out;
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      ByteArrayOutputStream printed = new ByteArrayOutputStream();
      PrintStream capture = new PrintStream(printed, true, StandardCharsets.UTF_8);
      System.setOut(capture);
      System.setErr(capture);
      int code = run(line.trim().split("\\s+"));
      out.println(printed.toString(StandardCharsets.UTF_8));
      out.println("exit " + code);
      out.flush();
    }
  }

  private static int run(String[] words) {
    try {
      String[] rest = Arrays.copyOfRange(words, 1, words.length);
      Class.forName(CLASSES.get(words[0])).getMethod("main", String[].class).invoke(null, (Object) rest);
      return 0;
    } catch (java.lang.reflect.InvocationTargetException e) {
      if (e.getCause() instanceof Exited exited) {
        return exited.code;
      }
      e.getCause().printStackTrace();
      return 1;
    } catch (Exception e) {
      e.printStackTrace();
      return 1;
    }
  }
}
