import java.io.FileInputStream;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.HexFormat;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Calls each URL, with one of the two clients of the JDK, and says what came: `ok STATUS SHA256` or `failed ...`.
 *
 * The arguments: the certificate to trust, which client, and then `SECONDS|URL` for each call. */
public class Client {
    public static void main(String[] arguments) throws Exception {
        SSLContext tls = trusting(arguments[0]);
        HttpsURLConnection.setDefaultSSLSocketFactory(tls.getSocketFactory());
        HttpClient client = HttpClient.newBuilder().sslContext(tls).build();
        for (int place = 2; place < arguments.length; place++) {
            String[] call = arguments[place].split("\\|");
            long millis = (long) (Double.parseDouble(call[0]) * 1000);
            try {
                System.out.println(arguments[1].equals("new")
                    ? withHttpClient(client, call[1], millis)
                    : withConnection(call[1], (int) millis));
            } catch (java.io.IOException failure) {
                System.out.println("failed " + failure.getClass().getSimpleName());
            }
        }
    }

    static String withHttpClient(HttpClient client, String url, long millis) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofMillis(millis)).build();
        HttpResponse<byte[]> answer = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
        return said(answer.statusCode(), answer.body());
    }

    static String withConnection(String url, int millis) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
        connection.setReadTimeout(millis);
        int status = connection.getResponseCode();
        try (InputStream body = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            return said(status, body.readAllBytes());
        }
    }

    static String said(int status, byte[] body) throws Exception {
        return "ok " + status + " " + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
    }

    static SSLContext trusting(String certificate) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream file = new FileInputStream(certificate)) {
            store.setCertificateEntry("test", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, trust.getTrustManagers(), null);
        return tls;
    }
}
