import HopyardServices
import HopyardWire

/// What `dnsmasq` was told to do, on the command line and in its files.
struct DnsmasqOptions {
  /// `--address` and `--server` and `--local`: what happens to names of a domain.
  struct DomainRule {
    /// The domain; nil for `#`, which is every name.
    var domain: DNSName?
    var action: Action
  }

  enum Action: Equatable {
    /// The address of all names in the domain.
    case address(IPAddress)
    /// No such names.
    case nothing
    /// Only what is known here.
    case local
    /// Another server.
    case server(SocketAddress)
    /// The servers for names without a rule.
    case usual
  }

  /// Why options are no good.
  enum Failure: Error {
    /// What the real program prints after `dnsmasq: `.
    case bad(String)
    /// What is not modelled.
    case refused(String)
  }

  var records: [DNSRecord] = []
  var rules: [DomainRule] = []
  var servers: [SocketAddress] = []
  var listensOn: [IPv4Address] = []
  var interfaces: [String] = []
  var bindsInterfaces = false
  var port: UInt16 = 53
  var queryPort: UInt16 = 0
  var staysInForeground = false
  var readsHosts = true
  var readsResolv = true
  var resolvFile = "/etc/resolv.conf"
  var hostsFiles: [String] = []
  var pidFile: String? = "/run/dnsmasq.pid"
  var cacheSize = 150
  var needsDomain = false
  var isBogusPrivate = false
  var expandsHosts = false
  var domain: String?
  var localTTL: UInt32 = 0
  var maximumTTL: UInt32?
  var negativeTTL: UInt32?
  var keepsNegative = true
  var isStrict = false
  var asksAll = false
  var logsQueries = false
  var maximumSize: UInt16 = 1232
  var configurationFile: String? = "/etc/dnsmasq.conf"

  /// Long names, and whether they take a value.
  static let longOptions = [
    "keep-in-foreground=k", "no-daemon=d", "conf-file:=C", "no-resolv=R", "no-hosts=h",
    "user:=u", "group:=g", "host-record:", "local:", "server:=S", "address:=A", "cname:",
    "mx-host:=m", "txt-record:=Y", "srv-host:=W", "ptr-record:", "caa-record:",
    "listen-address:=a", "bind-interfaces=z", "bind-dynamic", "pid-file::=x", "query-port:=Q",
    "port:=p", "cache-size:=c", "log-queries::=q", "log-facility:=8", "no-negcache=N",
    "domain-needed=D", "bogus-priv=b", "expand-hosts=E", "domain:=s", "addn-hosts:=H",
    "resolv-file:=r", "interface:=i", "except-interface:=I", "strict-order=o", "all-servers",
    "local-ttl:=T", "neg-ttl:", "max-ttl:", "edns-packet-max:=P", "no-poll=n", "clear-on-reload",
    "filterwin2k=f", "stop-dns-rebind", "localise-queries=y", "dns-forward-max:=0",
    "dns-loop-detect", "min-port:", "rebind-localhost-ok", "no-ping=5", "version=v", "help=w",
    "test",
  ]
  static let refusedLong = [
    "dhcp-range:", "dhcp-host:", "dhcp-option:", "dhcp-authoritative", "enable-tftp::",
    "auth-zone:", "auth-server:", "dnssec", "conf-dir:", "hostsdir:", "alias:",
    "bogus-nxdomain:", "ipset:", "nftset:", "synth-domain:", "naptr-record:", "dns-rr:",
    "interface-name:", "add-mac", "add-subnet", "servers-file:", "rev-server:",
    "mx-target:", "selfmx", "localmx", "self-mx", "filter-A", "filter-AAAA",
  ]
  static let specification = OptionSpecification(
    "kdC:Rhu:g:S:A:m:Y:W:a:zx::Q:p:c:q::8:NDbEs:H:r:i:I:oT:P:nfy0:5vw",
    long: longOptions,
    refused: "F:G:O:L:eK7:l:t:",
    refusedLong: refusedLong
  )

  /// Reads one option.
  mutating func set(_ key: String, _ value: String?) throws(Failure) {
    let value = value ?? ""
    switch key {
    case "k", "d": staysInForeground = true
    case "C": configurationFile = value
    case "R": readsResolv = false
    case "h": readsHosts = false
    case "host-record": try addHost(value)
    case "local", "S": try addServer(value)
    case "A": try addAddress(value)
    case "cname": try addAliases(value)
    case "m":
      let parts = Self.parts(value)
      let target = parts.count > 1 && !parts[1].isEmpty ? parts[1] : parts[0]
      let preference = parts.count > 2 ? parts[2] : "1"
      guard let preference = UInt16(preference) else { throw .bad("bad preference in mx-host") }
      try add(parts[0], .mx(preference: preference, exchange: try name(target)))
    case "Y":
      let parts = Self.quotedParts(value)
      guard let owner = parts.first else { throw .bad("bad TXT record") }
      let strings = parts.dropFirst().map { Array($0.utf8.prefix(255)) }
      try add(owner, .txt(strings.isEmpty ? [[]] : Array(strings)))
    case "W": try addService(value)
    case "ptr-record":
      let parts = Self.parts(value)
      guard parts.count > 1 else { throw .bad("bad PTR record") }
      try add(parts[0], .ptr(try name(parts[1])))
    case "caa-record":
      let parts = Self.parts(value)
      guard parts.count == 4, let flags = UInt8(parts[1]) else { throw .bad("bad CAA record") }
      try add(parts[0], .caa(flags: flags, tag: Array(parts[2].utf8), value: Array(parts[3].utf8)))
    case "a":
      for part in Self.parts(value) {
        if IPv6Address(part) != nil { throw .refused("listening on IPv6 addresses") }
        guard let address = IPv4Address(part) else { throw .bad("bad option") }
        listensOn.append(address)
      }
    case "i": interfaces += Self.parts(value)
    case "I": throw .refused("except-interface")
    case "z", "bind-dynamic": bindsInterfaces = true
    case "x": pidFile = value.isEmpty ? nil : value
    case "Q": queryPort = try number(value)
    case "p": port = try number(value)
    case "c": cacheSize = Int(try number(value) as UInt32)
    case "q": logsQueries = true
    case "N": keepsNegative = false
    case "D": needsDomain = true
    case "b": isBogusPrivate = true
    case "E": expandsHosts = true
    case "s": domain = Self.parts(value).first
    case "H": hostsFiles.append(value)
    case "r": resolvFile = value
    case "o": isStrict = true
    case "all-servers": asksAll = true
    case "T": localTTL = try number(value)
    case "max-ttl": maximumTTL = try number(value)
    case "neg-ttl": negativeTTL = try number(value)
    case "P": maximumSize = max(512, try number(value))
    default: break
    }
  }

  private static func parts(_ text: String) -> [String] {
    text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  /// Parts between commas, where quotation marks keep commas together.
  private static func quotedParts(_ text: String) -> [String] {
    var parts: [String] = [""]
    var isQuoted = false
    var isEscaped = false
    for character in text {
      if isEscaped {
        parts[parts.count - 1].append(character)
        isEscaped = false
      } else if character == "\\", isQuoted {
        isEscaped = true
      } else if character == "\"" {
        isQuoted.toggle()
      } else if character == ",", !isQuoted {
        parts.append("")
      } else {
        parts[parts.count - 1].append(character)
      }
    }
    return parts
  }

  private func number<Number: FixedWidthInteger>(_ text: String) throws(Failure) -> Number {
    guard let number = Number(text) else { throw .bad("bad option") }
    return number
  }

  private func name(_ text: String) throws(Failure) -> DNSName {
    guard let name = DNSName(text) else { throw .bad("bad name \(text)") }
    return name
  }

  private mutating func add(_ owner: String, _ data: DNSRecordData) throws(Failure) {
    records.append(DNSRecord(try name(owner), ttl: localTTL, data))
  }

  private mutating func addHost(_ value: String) throws(Failure) {
    var names: [String] = []
    var addresses: [IPAddress] = []
    var ttl = localTTL
    for part in Self.parts(value) {
      if let v4 = IPv4Address(part) {
        addresses.append(.v4(v4))
      } else if let v6 = IPv6Address(part) {
        addresses.append(.v6(v6))
      } else if !addresses.isEmpty, let seconds = UInt32(part) {
        ttl = seconds
      } else {
        names.append(part)
      }
    }
    guard !names.isEmpty else { throw .bad("Bad host-record") }
    for name in names {
      for address in addresses {
        let data: DNSRecordData =
          switch address {
          case .v4(let v4): .a(v4)
          case .v6(let v6): .aaaa(v6)
          }
        records.append(DNSRecord(try self.name(name), ttl: ttl, data))
      }
    }
    // An address leads back to the first name.
    for address in addresses {
      records.append(
        DNSRecord(DNSName(reverse: address), ttl: ttl, .ptr(try self.name(names[0])))
      )
    }
  }

  private mutating func addAliases(_ value: String) throws(Failure) {
    var parts = Self.parts(value)
    var ttl = localTTL
    if parts.count > 2, let last = parts.last, let seconds = UInt32(last) {
      ttl = seconds
      parts.removeLast()
    }
    guard parts.count > 1, let target = parts.last else { throw .bad("bad CNAME") }
    for alias in parts.dropLast() {
      records.append(DNSRecord(try name(alias), ttl: ttl, .cname(try name(target))))
    }
  }

  private mutating func addService(_ value: String) throws(Failure) {
    let parts = Self.parts(value)
    guard parts.count > 1 else {
      throw .refused("an SRV record that says that there is no such service")
    }
    let port: UInt16 = parts.count > 2 ? try number(parts[2]) : 1
    let priority: UInt16 = parts.count > 3 ? try number(parts[3]) : 0
    let weight: UInt16 = parts.count > 4 ? try number(parts[4]) : 0
    try add(
      parts[0],
      .srv(priority: priority, weight: weight, port: port, target: try name(parts[1]))
    )
  }

  /// The domains between slashes, and what stands behind them.
  private func domains(_ value: String) throws(Failure) -> (domains: [DNSName?], rest: String)? {
    guard value.hasPrefix("/") else { return nil }
    var pieces = value.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
      .map(String.init)
    guard pieces.count > 1, let rest = pieces.popLast() else { throw .bad("bad option") }
    var domains: [DNSName?] = []
    for piece in pieces {
      if piece == "#" {
        domains.append(nil)
      } else if piece.isEmpty {
        domains.append(.root)
      } else {
        domains.append(try name(piece.hasPrefix(".") ? String(piece.dropFirst()) : piece))
      }
    }
    return (domains, rest)
  }

  private mutating func addServer(_ value: String) throws(Failure) {
    guard let (domains, rest) = try domains(value) else {
      servers.append(try server(value))
      return
    }
    for domain in domains {
      let action: Action =
        rest.isEmpty ? .local : rest == "#" ? .usual : .server(try server(rest))
      rules.append(DomainRule(domain: domain, action: action))
    }
  }

  private func server(_ text: String) throws(Failure) -> SocketAddress {
    guard !text.contains("@") else { throw .refused("a server with a source address") }
    let parts = text.split(separator: "#", maxSplits: 1).map(String.init)
    guard let address = parts.first.flatMap({ IPv4Address($0) }) else {
      if parts.first.flatMap({ IPv6Address($0) }) != nil { throw .refused("IPv6 servers") }
      throw .bad("bad address")
    }
    let port: UInt16 = parts.count > 1 ? try number(parts[1]) : 53
    return SocketAddress(address, port)
  }

  private mutating func addAddress(_ value: String) throws(Failure) {
    guard let (domains, rest) = try domains(value) else { throw .bad("bad option") }
    for domain in domains {
      let action: Action
      if rest.isEmpty || rest == "#" {
        action = rest.isEmpty ? .nothing : .address(.v4(.any))
      } else if let v4 = IPv4Address(rest) {
        action = .address(.v4(v4))
      } else if let v6 = IPv6Address(rest) {
        action = .address(.v6(v6))
      } else {
        throw .bad("bad address")
      }
      rules.append(DomainRule(domain: domain, action: action))
      if rest == "#" { rules.append(DomainRule(domain: domain, action: .address(.v6(.any)))) }
    }
  }
}
