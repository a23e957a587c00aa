import java.io.*;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.*;
import javax.mail.*;
import javax.mail.internet.*;
import javax.net.ssl.*;

/** Sends or reads one mail for each line of its input, and says how that went in a line. */
public class Mail {
  public static void main(String[] args) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = lines.readLine()) != null; ) {
      String[] a = line.split(",", -1);
      try {
        System.out.println("done " + once(a[0], a[1], a[2], Integer.parseInt(a[3]), a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11]));
      } catch (Exception e) {
        StringBuilder why = new StringBuilder("broken");
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
          why.append(' ').append(cause);
        }
        System.out.println(why.toString().replace('\n', ' '));
      }
    }
  }

  static String once(String protocol, String tlsMode, String host, int port, String versions, String suites,
      String caFile, String user, String password, String to, String viaHTTP, String from) throws Exception {
    String p = "mail." + protocol + ".";
    Properties set = new Properties();
    set.put(p + "auth", "true");
    set.put(p + "localhost", "scanner.example.com");
    set.put(p + "timeout", "60000");
    set.put(p + "connectiontimeout", "60000");
    set.put(p + "ssl.enable", String.valueOf(tlsMode.equals("implicit TLS")));
    set.put(p + "starttls.required", String.valueOf(!tlsMode.equals("implicit TLS")));
    set.put(p + "starttls.enable", String.valueOf(!tlsMode.equals("implicit TLS")));
    set.put(p + "ssl.checkserveridentity", "true");
    set.put(p + "ssl.socketFactory", trusting(caFile));
    set.put(p + "ssl.protocols", versions);
    if (!suites.isEmpty()) {
      set.put(p + "ssl.ciphersuites", suites);
    }
    if (!viaHTTP.isEmpty()) {
      set.put(p + "proxy.host", "127.0.0.1");
      set.put(p + "proxy.port", String.valueOf(port));
      port = Integer.parseInt(viaHTTP);
    }
    Session session = Session.getInstance(set);
    if (protocol.equals("smtp")) {
      return send(session, host, port, user, password, from, to);
    }
    try (Store store = session.getStore(protocol)) {
      store.connect(host, port, user, password);
      Folder inbox = store.getFolder("INBOX");
      inbox.open(Folder.READ_ONLY);
      return inbox.getMessage(1).getSubject();
    }
  }

  static String send(Session session, String host, int port, String user, String password, String from, String to)
      throws Exception {
    MimeMessage message = new MimeMessage(session);
    message.setFrom(from);
    message.setRecipients(Message.RecipientType.TO, to);
    message.setSubject("scan");
    message.setText("from Java");
    message.saveChanges();
    try (Transport transport = session.getTransport("smtp")) {
      transport.connect(host, port, user, password);
      transport.sendMessage(message, message.getAllRecipients());
    }
    return "sent";
  }

  static SSLSocketFactory trusting(String caFile) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null);
    try (InputStream in = Files.newInputStream(Paths.get(caFile))) {
      store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context.getSocketFactory();
  }
}
