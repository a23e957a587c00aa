// A client by Node.js, as it was in 2012. It reads visits from standard input,
// one a line:
//
//     port version suite how connections request answer
//
// and makes each one that many times, in the later ones with the session of
// the first: it sends the file request, and appends what comes to the file
// answer. It says of each connection what was agreed on.
//
//     node peer.js root.pem server-name <visits

var constants = require('constants');
var fs = require('fs');
var net = require('net');
var tls = require('tls');

var root = fs.readFileSync(process.argv[2]);
var host = process.argv[3];
// OpenSSL 1.0.0 knows TLS 1.0 alone, and has no options to switch off others.
var methods = {'1.0': 'TLSv1_method', '1.1': 'SSLv23_method', '1.2': 'SSLv23_method'};
var without = {'1.0': 0, '1.1': 0x08000000 /* SSL_OP_NO_TLSv1_2 */, '1.2': 0};

function options(v, socket, session) {
  return {
    socket: socket, host: host, servername: host, ca: [root], rejectUnauthorized: true, session: session,
    ciphers: v.suite, secureProtocol: methods[v.version],
    secureOptions: without[v.version] | (v.how === 'ticket' ? 0 : constants.SSL_OP_NO_TICKET)
  };
}

// answered is the length of the answer to a request: a line, an empty line, and
// the body of the request.
function answered(request) {
  return 'HTTP/1.0 200 OK\r\n\r\n'.length + request.length - request.toString().indexOf('\r\n\r\n') - 4;
}

// visit makes one connection, and those after it.
function visit(v, number, session, done) {
  var request = fs.readFileSync(v.request);
  var missing = answered(request);
  var socket = net.connect(v.port, '127.0.0.1', function() {
    socket.setNoDelay(true);
    var stream = tls.connect(options(v, socket, session), function() {
      if (!stream.authorized) throw new Error(stream.authorizationError);
      console.log(v.port + ' ' + stream.getCipher().name + ' ' + (stream.isSessionReused() ? 'reused' : 'new'));
      session = session || stream.getSession();
      stream.write(request);
    });
    stream.on('data', function(data) {
      fs.appendFileSync(v.answer, data);
      if ((missing -= data.length) <= 0) stream.end();
    });
    stream.on('error', function(err) { throw err; });
  });
  socket.on('close', function() {
    if (number < v.connections) visit(v, number + 1, session, done);
    else done();
  });
}

function next(lines) {
  if (lines.length === 0 || lines[0] === '') return;
  var f = lines[0].split(' ');
  visit({
    port: f[0], version: f[1], suite: f[2], how: f[3], connections: +f[4], request: f[5], answer: f[6]
  }, 1, undefined, function() { next(lines.slice(1)); });
}

next(fs.readFileSync('/dev/stdin', 'utf8').split('\n'));
