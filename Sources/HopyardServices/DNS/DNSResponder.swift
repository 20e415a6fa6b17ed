import HopyardWire

/// How a DNS message travels.
public enum DNSTransport: Sendable, Hashable {
  case udp
  case tcp
}

/// What answers queries: a zone's server, a cache, a forwarder, Docker's or Kubernetes' own.
public protocol DNSResponder: AnyObject {
  /// The response to a query, or nil for none.
  func respond(to query: DNSMessage, from client: SocketAddress, over transport: DNSTransport) async
    -> DNSMessage?
}

/// A responder that is a closure.
public final class DNSHandler: DNSResponder {
  private let body: (DNSMessage, SocketAddress, DNSTransport) async -> DNSMessage?

  /// Takes the closure.
  public init(_ body: @escaping (DNSMessage, SocketAddress, DNSTransport) async -> DNSMessage?) {
    self.body = body
  }

  /// Responds to a query.
  public func respond(
    to query: DNSMessage,
    from client: SocketAddress,
    over transport: DNSTransport
  ) async -> DNSMessage? {
    await body(query, client, transport)
  }
}
