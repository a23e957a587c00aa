/*
 * A client by mbedTLS 2.28. It reads visits from standard input, one a line:
 *
 *     port version suite how connections request answer
 *
 * and makes each one that many times, in the later ones with the session of
 * the first: it sends the file request, and appends what comes to the file
 * answer. It says of each connection what was agreed on, and how long the
 * longest record of data was.
 *
 *     mbedtls root.pem server-name <visits
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;
static mbedtls_x509_crt roots;

/* must ends the program with the reason for which a function failed. */
static void must(const char *what, int result)
{
    char reason[200];

    if (result >= 0)
        return;
    mbedtls_strerror(result, reason, sizeof reason);
    printf("%s: -0x%04x %s\n", what, -result, reason);
    exit(1);
}

static unsigned char *read_all(const char *name, size_t *size)
{
    FILE *f = fopen(name, "rb");
    unsigned char *data = NULL;

    must("opening the request", f ? 0 : -1);
    fseek(f, 0, SEEK_END);
    *size = (size_t) ftell(f);
    rewind(f);
    data = malloc(*size);
    must("reading the request", data && fread(data, 1, *size, f) == *size ? 0 : -1);
    fclose(f);
    return data;
}

/* limit asks for records of at most that many bytes (RFC 6066 section 4). */
static void limit(mbedtls_ssl_config *config, const char *bytes)
{
    static const char *const lengths[] = {"512", "1024", "2048", "4096"};
    unsigned char i;

    for (i = 0; i < 4; i++)
        if (strcmp(bytes, lengths[i]) == 0)
            must("limiting records", mbedtls_ssl_conf_max_frag_len(config, (unsigned char) (i + 1)));
}

static void configure(mbedtls_ssl_config *config, const char *version, int *suites, const char *how)
{
    int minor = version[2] - '0' + 1;

    mbedtls_ssl_config_init(config);
    must("configuring", mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT,
                                                    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT));
    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &drbg);
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(config, &roots, NULL);
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, minor);
    mbedtls_ssl_conf_max_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, minor);
    if (suites[0] != 0)
        mbedtls_ssl_conf_ciphersuites(config, suites);
    mbedtls_ssl_conf_arc4_support(config, MBEDTLS_SSL_ARC4_ENABLED);
    mbedtls_ssl_conf_session_tickets(config, strcmp(how, "ticket") == 0);
    limit(config, how);
}

static void send_all(mbedtls_ssl_context *ssl, const char *name)
{
    size_t size, sent = 0;
    unsigned char *data = read_all(name, &size);

    while (sent < size) {
        int n = mbedtls_ssl_write(ssl, data + sent, size - sent);
        must("writing", n);
        sent += (size_t) n;
    }
    free(data);
}

/* receive returns the length of the longest record: one call reads no more. */
static int receive(mbedtls_ssl_context *ssl, const char *name)
{
    static unsigned char data[16384];
    FILE *f = fopen(name, "ab");
    int n, longest = 0;

    must("opening the answer", f ? 0 : -1);
    while ((n = mbedtls_ssl_read(ssl, data, sizeof data)) > 0) {
        fwrite(data, 1, (size_t) n, f);
        if (n > longest)
            longest = n;
    }
    if (n == 0)
        must("reading to the end", MBEDTLS_ERR_SSL_CONN_EOF);
    if (n != MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
        must("reading", n);
    fclose(f);
    return longest;
}

/* visit makes one connection, and keeps its session if it is the first. */
static void visit(const mbedtls_ssl_config *config, const char *port, const char *host,
                  mbedtls_ssl_session *session, int resume, const char *request, const char *answer)
{
    mbedtls_net_context net;
    mbedtls_ssl_context ssl;
    int longest, on = 1;

    mbedtls_net_init(&net);
    mbedtls_ssl_init(&ssl);
    must("connecting", mbedtls_net_connect(&net, "127.0.0.1", port, MBEDTLS_NET_PROTO_TCP));
    must("sending at once", setsockopt(net.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    must("setting up", mbedtls_ssl_setup(&ssl, config));
    must("naming the server", mbedtls_ssl_set_hostname(&ssl, host));
    mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
    if (resume)
        must("taking the session", mbedtls_ssl_set_session(&ssl, session));
    must("handshake", mbedtls_ssl_handshake(&ssl));
    if (!resume)
        must("keeping the session", mbedtls_ssl_get_session(&ssl, session));
    send_all(&ssl, request);
    longest = receive(&ssl, answer);
    printf("%s %s %s %d\n", port, mbedtls_ssl_get_version(&ssl), mbedtls_ssl_get_ciphersuite(&ssl), longest);
    must("closing", mbedtls_ssl_close_notify(&ssl));
    mbedtls_ssl_free(&ssl);
    mbedtls_net_free(&net);
}

int main(int argc, char **argv)
{
    char port[8], version[8], suite[64], how[16], request[256], answer[256];
    int connections, i;

    must("arguments", argc == 3 ? 0 : -1);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&drbg);
    mbedtls_x509_crt_init(&roots);
    must("seeding", mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0));
    must("reading the root", -mbedtls_x509_crt_parse_file(&roots, argv[1]));
    while (scanf("%7s %7s %63s %15s %d %255s %255s", port, version, suite, how, &connections, request, answer) == 7) {
        mbedtls_ssl_config config;
        mbedtls_ssl_session session;
        int suites[2] = {mbedtls_ssl_get_ciphersuite_id(suite), 0};

        configure(&config, version, suites, how);
        mbedtls_ssl_session_init(&session);
        for (i = 0; i < connections; i++)
            visit(&config, port, argv[2], &session, i > 0, request, answer);
        mbedtls_ssl_session_free(&session);
        mbedtls_ssl_config_free(&config);
    }
    return 0;
}
