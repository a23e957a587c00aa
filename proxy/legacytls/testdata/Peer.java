import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * A client by Java. It reads visits from standard input, one a line:
 *
 * <pre>port version suite how connections request answer</pre>
 *
 * and makes each one that many times, in the later ones with the session of the first: it sends the
 * file request, and appends what comes to the file answer. It says of each connection what was
 * agreed on. A session is kept by a context and the port, so that each visit has its own.
 *
 * <pre>java Peer.java root.pem server-name &lt;visits</pre>
 */
public class Peer {
  private static SSLContext context(String root) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null);
    try (InputStream in = new FileInputStream(root)) {
      store.setCertificateEntry("root", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }

  /** Returns what the connection says of itself, and keeps the session's creation time in created. */
  private static String visit(SSLContext context, String host, String[] f, long[] created) throws IOException {
    Socket tcp = new Socket("127.0.0.1", Integer.parseInt(f[0]));
    tcp.setSoTimeout(20_000);
    tcp.setTcpNoDelay(true);
    try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(tcp, host, Integer.parseInt(f[0]), true)) {
      SSLParameters parameters = new SSLParameters(new String[] {f[2]}, protocols(f));
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
      socket.setSSLParameters(parameters);
      socket.startHandshake();
      SSLSession session = socket.getSession();
      boolean reused = session.getCreationTime() == created[0];
      created[0] = session.getCreationTime();
      OutputStream out = socket.getOutputStream();
      out.write(Files.readAllBytes(Path.of(f[5])));
      out.flush();
      try (OutputStream answer = new FileOutputStream(f[6], true)) {
        socket.getInputStream().transferTo(answer);
      }
      return session.getProtocol() + " " + session.getCipherSuite() + (reused ? " reused" : " new");
    }
  }

  private static String[] protocols(String[] f) {
    String version = f[1].equals("1.0") ? "TLSv1" : "TLSv" + f[1];
    return f[3].equals("sslv2") ? new String[] {"SSLv2Hello", version} : new String[] {version};
  }

  public static void main(String[] args) throws Exception {
    SSLContext context = context(args[0]);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] f = line.split(" ");
      long[] created = {0};
      try {
        for (int i = 0; i < Integer.parseInt(f[4]); i++) {
          System.out.println(f[0] + " " + visit(context, args[1], f, created));
        }
      } catch (IOException | IllegalArgumentException e) {
        System.out.println(f[0] + " " + e);
      }
    }
  }
}
