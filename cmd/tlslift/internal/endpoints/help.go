package endpoints

// Help is what the command endpoints says of itself.
const Help = `Without an argument, prints every host pattern that clients may reach, with its
ports, its source, and how many address ranges Microsoft publishes for it. With
an argument, prints whether clients may reach it, and by which pattern or what to
do; the exit code is 0 if they may. It reads the same settings as serve, and the
list that a tlslift with TLSLIFT_M365_REFRESH has saved. It opens no connection.

For a host without a port it prints the allowed ports. For an address with a port
it prints which host a client without a server name reaches there.`

// Example is how it is used.
const Example = `  tlslift endpoints
  tlslift endpoints smtp.office365.com:587
  tlslift endpoints 52.96.1.2:993
  tlslift endpoints --json`
