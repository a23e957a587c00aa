package inventory

// Encode returns what a Store is given to save of clients, which another process then
// loads.
func Encode(clients []Client) []byte { return encode(clients) }
