import HopyardWire

/// Answers from zones: records, aliases, referrals with glue, and negative answers with the SOA.
public final class AuthoritativeResponder: DNSResponder {
  /// The zones; the one with the longest name that fits answers.
  public var zones: [DNSZone]

  /// Takes zones.
  public init(_ zones: [DNSZone]) { self.zones = zones }

  /// Responds to a query.
  public func respond(
    to query: DNSMessage,
    from client: SocketAddress,
    over transport: DNSTransport
  ) async -> DNSMessage? {
    guard let question = query.questions.first else { return query.response(.formatError) }
    guard question.dnsClass == .internet || question.dnsClass == .any else {
      return query.response(.refused)
    }
    var response = query.response()
    fill(&response, question)
    return response
  }

  private func zone(of name: DNSName) -> DNSZone? {
    zones.filter { name.isWithin($0.origin) }
      .max { $0.origin.labelCount < $1.origin.labelCount }
  }

  /// Puts the answer to a question into a response.
  public func fill(_ response: inout DNSMessage, _ question: DNSQuestion) {
    var name = question.name
    var seen: Set<DNSName> = []
    while seen.insert(name).inserted {
      guard let zone = zone(of: name) else {
        // At the end of an alias that leads elsewhere the client asks on.
        if seen.count == 1 { response.responseCode = .refused }
        return
      }
      let isFirst = seen.count == 1
      switch zone.lookup(name, question.type) {
      case .records(let records):
        response.isAuthoritative = response.isAuthoritative || isFirst
        response.answers += records
        addAddresses(of: records, zone, &response)
        return
      case .alias(let record, let target):
        response.isAuthoritative = response.isAuthoritative || isFirst
        response.answers.append(record)
        name = target
      case .referral(let servers):
        response.authorities += servers
        addAddresses(of: servers, zone, &response)
        return
      case .noData:
        response.isAuthoritative = response.isAuthoritative || isFirst
        if let start = zone.negativeStart { response.authorities.append(start) }
        return
      case .noName:
        response.isAuthoritative = response.isAuthoritative || isFirst
        // RFC 6604: the code is that of the end of the chain.
        response.responseCode = .nameError
        if let start = zone.negativeStart { response.authorities.append(start) }
        return
      }
    }
  }

  /// Addresses of the names in records, where the zones have them.
  private func addAddresses(
    of records: [DNSRecord],
    _ zone: DNSZone,
    _ response: inout DNSMessage
  ) {
    for record in records {
      let target: DNSName
      switch record.data {
      case .ns(let name), .mx(_, let name), .srv(_, _, _, let name): target = name
      default: continue
      }
      for address in zone.addresses(of: target)
      where !response.additionals.contains(address) && !response.answers.contains(address) {
        response.additionals.append(address)
      }
    }
  }
}
