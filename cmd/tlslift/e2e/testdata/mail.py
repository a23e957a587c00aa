"""Sends or reads one mail with Python's own mail modules.

After the others come a mechanism, with a "-" behind it for one without an initial
response, and the address to come from.
"""
import imaplib
import poplib
import smtplib
import socket
import ssl
import sys

protocol, tls_mode, host, address, tunnel_to, version, ciphers, ca_file, sender, user, password, to, *more = sys.argv[1:]
ip, port = address.rsplit(":", 1)
ip, port = ip.strip("[]"), int(port)
mechanism, source = (more + ["", ""])[:2]


def connect(*_args, **_kwargs):
    """Connects to the address, and through a tunnel from there if need be.

    The certificate is checked for host all the same.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET)
    sock.settimeout(60)
    if source:
        sock.bind((source, 0))
    sock.connect((ip, port))
    if tunnel_to:
        sock.sendall(f"CONNECT {host}:{tunnel_to} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            byte = sock.recv(1)  # what follows is the server's
            if not byte:
                break
            answer += byte
        if b" 200 " not in answer:
            sys.exit(answer.decode())
    return sock


socket.create_connection = connect

context = ssl.create_default_context(cafile=ca_file)
if version:
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
if ciphers:
    context.set_ciphers(ciphers)

if protocol == "smtp":
    if tls_mode == "implicit TLS":
        client = smtplib.SMTP_SSL(host, port, local_hostname="scanner.example.com", context=context)
    else:
        client = smtplib.SMTP(host, port, local_hostname="scanner.example.com")
        if tls_mode == "STARTTLS":
            client.starttls(context=context)
    client.ehlo_or_helo_if_needed()
    if mechanism:
        name = mechanism.rstrip("-")
        client.user, client.password = user, password
        method = getattr(client, "auth_" + name.lower().replace("-", "_"))
        client.auth(name, method, initial_response_ok=name == mechanism)
    elif client.has_extn("auth"):
        client.login(user, password)
    client.sendmail(sender, [to], sys.stdin.read())
    client.quit()
elif protocol == "imap":
    if tls_mode == "implicit TLS":
        client = imaplib.IMAP4_SSL(host, port, ssl_context=context)
    else:
        client = imaplib.IMAP4(host, port)
        if tls_mode == "STARTTLS":
            client.starttls(context)
    if mechanism == "CRAM-MD5":
        client.login_cram_md5(user, password)
    elif mechanism == "PLAIN":
        client.authenticate(mechanism, lambda _: f"\0{user}\0{password}".encode())
    else:
        client.login(user, password)
    client.select()
    print(client.fetch("1", "(BODY.PEEK[])")[1][0][1].decode())
    client.logout()
else:
    if tls_mode == "implicit TLS":
        client = poplib.POP3_SSL(host, port, context=context)
    else:
        client = poplib.POP3(host, port)
        if tls_mode == "STARTTLS":
            client.stls(context)
    client.user(user)
    client.pass_(password)
    print(b"\n".join(client.retr(1)[1]).decode())
    client.quit()
