import HopyardServices
import HopyardSimulator
import HopyardUserland
import HopyardWire

/// The answer to an HTTP request.
public struct CurlAnswer: CustomStringConvertible {
  /// The status code; 0 where there is no answer.
  public var status: Int
  /// The content.
  public var body: String
  /// What went wrong, or empty.
  public var error: String
  /// The way of the connection's first packet and of its answer.
  public var flow: FlowReport

  /// The status and content, or the path of a connection that failed.
  public var description: String {
    status != 0 ? "HTTP \(status), \(body.utf8.count) bytes" : "\(error)\n\(flow)"
  }
}

extension Network {
  /// Requests a URL, or a name or `name:port`, as `curl` does.
  ///
  /// A machine's name stands for its address; a name that only the sender resolves is resolved
  /// there.
  public func curl(_ target: String, from sender: String) -> CurlAnswer {
    var url = HTTPURL(target.contains("://") ? target : "http://\(target)")
    guard let endpoint = endpoint(sender), let parsed = url else {
      let report = FlowReport(title: "\(sender) > \(target)", result: .nxdomain)
      let what = url == nil ? "`\(target)' is no URL" : "there is no `\(sender)'"
      return CurlAnswer(status: 0, body: "", error: what, flow: report)
    }
    if let named = self.endpoint(parsed.host), let address = address(of: named, from: endpoint) {
      url?.host = "\(address)"
    }
    let program = endpoint.makeProgram("curl")
    let tracer = FlowTracer()
    let former = simulation.tracer
    simulation.tracer = tracer
    let text = "\(url ?? parsed)"
    let answer = perform { () -> Result<HTTPResponse, HTTPFailure> in
      do throws(HTTPFailure) {
        return .success(try await HTTPClient.fetch(program, text, timeout: .seconds(10)))
      } catch {
        return .failure(error)
      }
    }
    simulation.tracer = former
    let resolved = IPv4Address(url?.host ?? "").map { "\($0)" }
    var report = FlowReport(title: "\(sender) > \(target)", result: .reply)
    switch answer {
    case .success(let response):
      return CurlAnswer(
        status: response.status,
        body: String(decoding: response.body, as: UTF8.self),
        error: "",
        flow: report
      )
    case .failure(let failure):
      report.result = Self.result(failure)
      let end = resolved.map { "\($0):\(parsed.port)" } ?? ""
      tracer.fill(&report, sender: endpoint.namespace.tracedName, protocol: "tcp", destination: end)
      return CurlAnswer(status: 0, body: "", error: "\(failure)", flow: report)
    case nil:
      report.result = .timeout
      return CurlAnswer(status: 0, body: "", error: "it did not end", flow: report)
    }
  }

  private static func result(_ failure: HTTPFailure) -> FlowReport.Result {
    switch failure {
    case .resolution: .nxdomain
    case .socket(let error): result(error)
    default: .timeout
    }
  }

  private static func result(_ error: SocketError) -> FlowReport.Result {
    switch error {
    case .connectionRefused, .connectionReset, .operationNotPermitted, .accessDenied: .refused
    case .networkUnreachable, .hostUnreachable, .hostDown: .unreachable
    default: .timeout
    }
  }

  /// An address of an endpoint as another one reaches it: one of a common subnet, else its first.
  func address(of target: NetworkPlace, from sender: NetworkPlace) -> IPv4Address? {
    if target.namespace === sender.namespace { return .loopback }
    let own = sender.addresses
    let all = target.addresses
    for (address, _) in all {
      let isNear = own.contains { mine, length in
        length < 32 && (mine.rawValue ^ address.rawValue) >> UInt32(32 - max(1, length)) == 0
      }
      if isNear { return address }
    }
    return all.first?.address
  }

  /// Sends one flow and says what became of it: `to` is a name, an address or a service's name,
  /// with a port (`web:80`) for TCP and UDP.
  public func flow(
    from sender: String,
    to target: String,
    ipProtocol: String? = nil,
    in namespace: String? = nil
  ) throws(Problem) -> FlowReport {
    func fail(_ message: String) -> Problem {
      Problem(file: scenario.file, location: SourceLocation(line: 1, column: 1), message: message)
    }
    guard let endpoint = endpoint(sender, in: namespace) else {
      throw fail("there is no `\(sender)', only " + names.joined(separator: ", "))
    }
    return try flow(from: endpoint, to: target, ipProtocol: ipProtocol, fail: fail)
  }

  func flow(
    from endpoint: NetworkPlace,
    to target: String,
    ipProtocol: String?,
    fail: (String) -> Problem
  ) throws(Problem) -> FlowReport {
    var host = Substring(target)
    var port: UInt16?
    if let colon = target.lastIndex(of: ":") {
      host = target[..<colon]
      guard let number = UInt16(target[target.index(after: colon)...]), number > 0 else {
        throw fail("`\(target)' has no port number after the colon")
      }
      port = number
    }
    let kind = ipProtocol ?? (port == nil ? "icmp" : "tcp")
    guard kind == "icmp" || port != nil else { throw fail("\(kind) needs a port, as \(target):80") }
    let program = endpoint.makeProgram("probe")
    var report = FlowReport(
      title: "\(endpoint.name) > \(target)" + (kind == "tcp" ? "" : "/\(kind)"),
      result: .nxdomain
    )
    guard let address = self.address(of: String(host), from: endpoint, program) else {
      return report
    }
    let tracer = FlowTracer()
    let former = simulation.tracer
    simulation.tracer = tracer
    report.result = send(kind, to: address, port ?? 0, by: program)
    simulation.tracer = former
    tracer.fill(
      &report,
      sender: endpoint.namespace.tracedName,
      protocol: kind,
      destination: port.map { "\(address):\($0)" } ?? "\(address)"
    )
    return report
  }

  /// The address that a name means at a sender: of a machine, container or pod, or what the name
  /// resolves to there.
  ///
  /// Containers and pods first ask their resolver, as their programs do.
  private func address(
    of name: String,
    from sender: NetworkPlace,
    _ program: Program
  ) -> IPv4Address? {
    if let literal = IPv4Address(name) { return literal }
    let named = endpoint(name).flatMap { address(of: $0, from: sender) }
    let isPlain = name.contains("/") || machines.contains { $0.name == sender.name }
    if isPlain, let named { return named }
    let found = perform { () -> IPv4Address? in
      let all = try? await Resolver(program).lookup(name, .v4).addresses
      return all?.compactMap(\.v4).first
    }
    return found.flatMap { $0 } ?? named
  }

  /// Sends one flow without looking where it goes; the name is resolved at the sender only.
  func quickFlow(
    from sender: NetworkPlace,
    to name: String,
    port: UInt16,
    ipProtocol: String
  ) -> FlowReport.Result {
    let program = sender.makeProgram("probe")
    var address = IPv4Address(name)
    if address == nil {
      address = perform { () -> IPv4Address? in
        let all = try? await Resolver(program).lookup(name, .v4).addresses
        return all?.compactMap(\.v4).first
      }.flatMap { $0 }
    }
    guard let address else { return .nxdomain }
    return send(ipProtocol, to: address, port, by: program)
  }

  private func send(
    _ kind: String,
    to address: IPv4Address,
    _ port: UInt16,
    by program: Program
  ) -> FlowReport.Result {
    perform {
      switch kind {
      case "tcp": await Self.tryTCP(program, address, port)
      case "udp": await Self.tryUDP(program, address, port)
      default: await Self.tryICMP(program, address)
      }
    } ?? .timeout
  }

  private static func tryTCP(
    _ program: Program,
    _ address: IPv4Address,
    _ port: UInt16
  ) async -> FlowReport.Result {
    do {
      let stream = try await TCPStream.connect(
        program,
        to: address,
        port: port,
        timeout: .seconds(5)
      )
      stream.close()
      return .reply
    } catch {
      return result(error)
    }
  }

  private static func tryUDP(
    _ program: Program,
    _ address: IPv4Address,
    _ port: UInt16
  ) async -> FlowReport.Result {
    do throws(SocketError) {
      let endpoint = try UDPEndpoint(program, connectedTo: address, port: port)
      defer { endpoint.close() }
      // A question that name servers answer and echo services return.
      let question: [UInt8] = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]
      try endpoint.send(question)
      let reply = try await endpoint.receive(until: program.simulation.now + .seconds(3))
      return reply == nil ? .timeout : .reply
    } catch {
      return result(error)
    }
  }

  private static func tryICMP(_ program: Program, _ address: IPv4Address) async -> FlowReport.Result
  {
    let endpoint = RawEndpoint(program, .icmp)
    defer { endpoint.close() }
    do {
      let time = try await endpoint.ping(
        address,
        identifier: UInt16(truncatingIfNeeded: program.pid),
        sequence: 1,
        timeout: .seconds(3)
      )
      return time == nil ? .timeout : .reply
    } catch {
      return result(error)
    }
  }

  /// The addresses that a name has for an endpoint, sorted; empty if it has none.
  func resolve(_ name: String, from endpoint: NetworkPlace) -> [String] {
    let program = endpoint.makeProgram("getent")
    let found = perform { () -> [String] in
      let all = try? await Resolver(program).lookup(name, .v4).addresses
      return (all ?? []).map { "\($0)" }
    }
    return (found ?? []).sorted()
  }
}
