import HopyardServices
import HopyardWire

/// Prints messages as `dig` was asked to.
struct DigPrinter {
  private let lookup: DigOptions.Lookup
  private let text: DNSText

  init(_ lookup: DigOptions.Lookup) {
    self.lookup = lookup
    text = DNSText(
      style: .init(
        showsTTL: lookup.showsTTL,
        showsClass: lookup.showsClass,
        usesTimeUnits: lookup.usesTimeUnits
      )
    )
  }

  /// A response with all that belongs to it.
  func text(_ reply: BindQuery.Reply, _ query: DNSMessage, clock: Int64) -> String {
    if lookup.isShort { return short(reply) }
    let message = reply.message
    var output = ""
    let cookie = query.edns?.options.first { $0.code == 10 }?.bytes
    if lookup.showsComments {
      output += ";; Got answer:\n" + DNSText.header(message)
      if query.wantsRecursion, !message.offersRecursion {
        output += ";; WARNING: recursion requested but not available\n"
      }
      output += "\n"
    }
    output += sections(message, cookie: cookie)
    if lookup.showsStatistics {
      let milliseconds = reply.time / 1_000_000
      let transport = reply.transport == .udp ? "UDP" : "TCP"
      output += ";; Query time: \(milliseconds) msec\n"
      output +=
        ";; SERVER: \(reply.server.address)#\(lookup.port)(\(reply.server.name)) (\(transport))\n"
      output += ";; WHEN: \(CalendarTime(clock).unixDate)\n"
      output += ";; MSG SIZE  rcvd: \(reply.size)\n\n"
    }
    return output
  }

  /// A query before it is sent.
  func query(_ message: DNSMessage) -> String {
    var output = ";; Sending:\n" + DNSText.header(message) + "\n"
    output += sections(message, cookie: nil)
    return output + ";; QUERY SIZE: \(message.encoded().count)\n\n"
  }

  private func sections(_ message: DNSMessage, cookie: [UInt8]?) -> String {
    var output = ""
    let blank = lookup.showsComments ? "\n" : ""
    if let edns = message.edns, lookup.showsComments {
      output += DNSText.pseudosection(edns, cookie: cookie, isResponse: message.isResponse)
    }
    if lookup.showsQuestion, !message.questions.isEmpty {
      if lookup.showsComments { output += ";; QUESTION SECTION:\n" }
      for question in message.questions { output += text.line(question) }
      output += blank
    } else if message.edns != nil, lookup.showsComments {
      output += "\n"
    }
    let parts = [
      (lookup.showsAnswer, "ANSWER", message.answers),
      (lookup.showsAuthority, "AUTHORITY", message.authorities),
      (lookup.showsAdditional, "ADDITIONAL", message.additionals),
    ]
    for (isShown, title, records) in parts where isShown && !records.isEmpty {
      if lookup.showsComments { output += ";; \(title) SECTION:\n" }
      for record in records { output += text.line(record) }
      output += blank
    }
    return output
  }

  private func short(_ reply: BindQuery.Reply) -> String {
    reply.message.answers.map { record in
      var line = record.data.description
      if lookup.identifies {
        line +=
          " from server \(reply.server.address) in \(reply.time / 1_000_000) ms."
      }
      return line + "\n"
    }
    .joined()
  }

  /// What `+trace` shows of a response.
  func traced(_ message: DNSMessage) -> String {
    if lookup.isShort { return message.answers.map { "\($0.data)\n" }.joined() }
    return (message.answers + message.authorities).map { text.line($0) }.joined()
  }
}
