import HopyardServices
import HopyardSimulator
import HopyardWire

/// `dnsmasq` as a name server: its own records, rules for domains, and forwarding.
enum DnsmasqCommand {
  static let command = Command("dnsmasq", options: DnsmasqOptions.specification) {
    process,
    arguments async throws(ProcessExit) in
    process.name = "dnsmasq"
    let parsed: ParsedOptions
    switch DnsmasqOptions.specification.parse(arguments) {
    case .success(let found): parsed = found
    case .failure(.refused(_, let message)): throw .refused("dnsmasq: \(message)")
    case .failure(.usage(let message)):
      try await process.printError("dnsmasq: \(message)\n")
      try await process.printError("\ndnsmasq: bad command line options: try --help\n")
      return 1
    }
    return try await run(process, parsed)
  }

  private static func fail(_ process: Process, _ message: String, _ status: Int32)
    async throws(ProcessExit) -> ProcessExit
  {
    try await process.printError("\ndnsmasq: \(message)\n")
    return .status(status)
  }

  private static func run(_ process: Process, _ parsed: ParsedOptions) async throws(ProcessExit)
    -> Int32
  {
    if parsed.has("v") {
      try await process.print("Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley\n")
      return 0
    }
    var options = DnsmasqOptions()
    let file = parsed["C"] ?? "/etc/dnsmasq.conf"
    if let bytes = try? process.contents(of: file) {
      try await read(process, String(decoding: bytes, as: UTF8.self), file, &options)
    } else if parsed.has("C"), file != "/dev/null" {
      throw try await fail(process, "cannot read \(file): No such file or directory", 3)
    }
    for option in parsed.list where option.key != "C" {
      do throws(DnsmasqOptions.Failure) {
        try options.set(option.key, option.value)
      } catch {
        switch error {
        case .bad: throw try await fail(process, "bad command line options: try --help", 1)
        case .refused(let what): throw .refused("dnsmasq: \(what) is not modelled")
        }
      }
    }
    if parsed.has("test") {
      try await process.printError("dnsmasq: syntax check OK.\n")
      return 0
    }
    var hosts: [HostsFile] = []
    let paths = (options.readsHosts ? ["/etc/hosts"] : []) + options.hostsFiles
    for path in paths {
      if let bytes = try? process.contents(of: path) {
        hosts.append(HostsFile(parsing: String(decoding: bytes, as: UTF8.self)))
      }
    }
    if options.readsResolv, let bytes = try? process.contents(of: options.resolvFile) {
      let configuration = ResolverConfiguration(parsing: String(decoding: bytes, as: UTF8.self))
      options.servers += configuration.servers.compactMap(\.v4).filter { !$0.isLoopback }
        .map { SocketAddress($0, 53) }
    }
    let daemon = options.staysInForeground ? process : try process.fork()
    let responder = DnsmasqResponder(daemon.program, options, hosts: hosts)
    let servers = try await open(daemon, options, responder, complaining: process)
    if let path = options.pidFile, let opened = try? process.open(path, .write) {
      let text = Array("\(daemon.pid)\n".utf8)
      opened.retain()
      _ = try? opened.tryWrite(text[...])
      opened.release()
    }
    for server in servers { server.start() }
    if options.staysInForeground {
      return try await serve(process, servers)
    }
    for number: Int32 in 0...2 { daemon.setDescriptor(number, nil) }
    daemon.start { daemon async throws(ProcessExit) in try await serve(daemon, servers) }
    return 0
  }

  private static func serve(_ process: Process, _ servers: [DNSServer]) async throws(ProcessExit)
    -> Int32
  {
    defer { for server in servers { server.close() } }
    process.handledSignals.formUnion([.hangup, .terminate, .interrupt])
    while true {
      switch try await process.wait(on: []) {
      case .interrupted(.terminate), .interrupted(.interrupt): return 0
      default: continue
      }
    }
  }

  /// Opens the sockets: one for all addresses, or one for each that is asked for.
  private static func open(
    _ process: Process,
    _ options: DnsmasqOptions,
    _ responder: DnsmasqResponder,
    complaining: Process
  ) async throws(ProcessExit) -> [DNSServer] {
    var settings = DNSServer.Options()
    settings.compression = .owners
    settings.udpSize = options.maximumSize
    guard options.port != 0 else { return [] }
    var addresses = options.listensOn
    if options.bindsInterfaces, !options.interfaces.isEmpty {
      for name in options.interfaces {
        guard let device = process.namespace.devices[name] else {
          throw try await fail(complaining, "unknown interface \(name)", 2)
        }
        addresses += device.inet.addresses.map { IPv4Address(rawValue: $0.local) }
      }
    }
    if addresses.isEmpty || !options.bindsInterfaces { addresses = [.any] }
    var servers: [DNSServer] = []
    for address in addresses {
      do throws(SocketError) {
        servers.append(
          try DNSServer(
            process.program,
            address: address,
            port: options.port,
            responder: responder,
            options: settings
          )
        )
      } catch {
        for server in servers { server.close() }
        let what =
          address == .any
          ? "port \(options.port)" : "\(address)"
        throw try await fail(
          complaining,
          "failed to create listening socket for \(what): \(error.text)",
          2
        )
      }
    }
    return servers
  }

  /// Reads a file of options: long names without dashes, and values behind `=`.
  private static func read(
    _ process: Process,
    _ text: String,
    _ file: String,
    _ options: inout DnsmasqOptions
  ) async throws(ProcessExit) {
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      let content = uncommented(line)
      if content.isEmpty { continue }
      let halves = content.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = halves[0].filter { $0 != " " && $0 != "\t" }
      let value = halves.count > 1 ? String(halves[1].drop { $0 == " " || $0 == "\t" }) : nil
      let argument = value.map { "--\(name)=\($0)" } ?? "--\(name)"
      switch DnsmasqOptions.specification.parse([argument]) {
      case .failure(.refused):
        throw .refused("dnsmasq: \(name) in line \(index + 1) of \(file) is not modelled")
      case .failure(.usage):
        throw try await fail(process, "bad option at line \(index + 1) of \(file)", 1)
      case .success(let parsed):
        for option in parsed.list {
          do throws(DnsmasqOptions.Failure) {
            try options.set(option.key, option.value)
          } catch {
            switch error {
            case .bad(let message):
              throw try await fail(process, "\(message) at line \(index + 1) of \(file)", 1)
            case .refused(let what): throw .refused("dnsmasq: \(what) is not modelled")
            }
          }
        }
      }
    }
  }

  private static func uncommented(_ line: Substring) -> Substring {
    var isQuoted = false
    var previous: Character = " "
    for index in line.indices {
      let character = line[index]
      if character == "\"" { isQuoted.toggle() }
      if character == "#", !isQuoted, previous == " " || previous == "\t" {
        return trimmed(line[..<index])
      }
      previous = character
    }
    return trimmed(line)
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop { $0 == " " || $0 == "\t" }
    while let last = text.last, last == " " || last == "\t" || last == "\r" { text.removeLast() }
    return text
  }
}
