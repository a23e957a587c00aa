"""A client by Python. It reads visits from standard input, one a line:

    port version suite how connections request answer

and makes each one that many times, in the later ones with the session of the
first: it sends the file request, and appends what comes to the file answer. It
says of each connection what was agreed on.

    python3 peer.py root.pem server-name <visits
"""

import socket
import ssl
import sys
import warnings

VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2}


def context(root, version, suite, how):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.load_verify_locations(root)
    ctx.set_ciphers(suite + ":@SECLEVEL=0")
    ctx.minimum_version = ctx.maximum_version = VERSIONS[version]
    if how != "ticket":
        ctx.options |= ssl.OP_NO_TICKET
    return ctx


def visit(ctx, host, port, session, request, answer):
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Without close_notify an end is an error.
    with ctx.wrap_socket(raw, server_hostname=host, session=session, suppress_ragged_eofs=False) as conn:
        with open(request, "rb") as f:
            conn.sendall(f.read())
        with open(answer, "ab") as f:
            while data := conn.recv(16384):
                f.write(data)
        print(port, conn.version(), conn.cipher()[0], "reused" if conn.session_reused else "new")
        session = conn.session
        conn.unwrap().close()
        return session


def main(root, host):
    warnings.simplefilter("ignore", DeprecationWarning)
    for line in sys.stdin:
        port, version, suite, how, connections, request, answer = line.split()
        session = None
        try:
            ctx = context(root, version, suite, how)
            for _ in range(int(connections)):
                session = visit(ctx, host, int(port), session, request, answer)
        except OSError as e:
            print(port, e)


main(*sys.argv[1:])
