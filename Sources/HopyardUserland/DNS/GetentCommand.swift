import HopyardServices
import HopyardSimulator
import HopyardWire

/// `getent`, as the C library's in Debian, for its databases of hosts.
enum GetentCommand {
  private static let others = [
    "aliases", "ethers", "group", "gshadow", "initgroups", "netgroup", "networks", "passwd",
    "protocols", "rpc", "services", "shadow",
  ]
  private static let hint = "Try `getent --help' or `getent --usage' for more information.\n"

  static let command = Command(
    "getent",
    check: { check in
      guard let database = check.texts.first, let database else { return }
      if others.contains(database) {
        check.report(0, "the database \(database) of getent is not modelled")
      } else if database.hasPrefix("-") {
        check.report(0, "the option \(database) is not modelled")
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      process.name = "getent"
      guard let database = arguments.first else {
        try await process.printError("getent: wrong number of arguments\n" + hint)
        return 1
      }
      let keys = Array(arguments.dropFirst())
      switch database {
      case "hosts": return try await hosts(process, keys)
      case "ahosts": return try await addresses(process, keys, .any)
      case "ahostsv4": return try await addresses(process, keys, .v4)
      case "ahostsv6": return try await addresses(process, keys, .v6)
      default:
        if others.contains(database) {
          throw .refused("getent: the database \(database) is not modelled")
        }
        try await process.print("Unknown database: \(database)\n")
        try await process.print(hint)
        return 1
      }
    }
  )

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.utf8.count))
  }

  /// `gethostbyname2` for IPv6 and then for IPv4, or `gethostbyaddr`.
  private static func hosts(_ process: Process, _ keys: [String]) async throws(ProcessExit) -> Int32
  {
    let resolver = process.resolver
    if keys.isEmpty {
      for entry in resolver.hosts.entries {
        try await process.print(
          padded("\(entry.address)", 15) + " " + entry.names.joined(separator: " ") + "\n"
        )
      }
      return 0
    }
    var status: Int32 = 0
    for key in keys {
      let found: Resolver.Result?
      if let address = IPv4Address(key) {
        found = try await attempt(process) { () async throws(ResolutionFailure) in
          try await resolver.name(of: .v4(address))
        }
      } else if let address = IPv6Address(key) {
        found = try await attempt(process) { () async throws(ResolutionFailure) in
          try await resolver.name(of: .v6(address))
        }
      } else {
        var result = try await attempt(process) { () async throws(ResolutionFailure) in
          try await resolver.lookup(key, .v6)
        }
        if result == nil {
          result = try await attempt(process) { () async throws(ResolutionFailure) in
            try await resolver.lookup(key, .v4)
          }
        }
        found = result
      }
      guard let found else {
        status = 2
        continue
      }
      let names = ([found.canonicalName] + found.aliases).joined(separator: " ")
      for address in found.addresses {
        try await process.print(padded("\(address)", 15) + " " + names + "\n")
      }
    }
    return status
  }

  private static func attempt(
    _ process: Process,
    _ body: () async throws(ResolutionFailure) -> Resolver.Result
  ) async throws(ProcessExit) -> Resolver.Result? {
    do throws(ResolutionFailure) {
      return try await body()
    } catch {
      if error == .interrupted { try process.takeInterruption() }
      return nil
    }
  }

  /// `getaddrinfo` with `AI_ADDRCONFIG`: without an IPv6 address only A is asked for.
  private static func addresses(
    _ process: Process,
    _ keys: [String],
    _ family: Resolver.Family
  ) async throws(ProcessExit) -> Int32 {
    let resolver = process.resolver
    var status: Int32 = 0
    for key in keys {
      var found = try await attempt(process) { () async throws(ResolutionFailure) in
        try await resolver.lookup(key, family == .v6 ? .v6 : .v4)
      }
      if found == nil, family == .v6 {
        // IPv4 addresses are shown as mapped ones (`AI_V4MAPPED`).
        var mapped = try await attempt(process) { () async throws(ResolutionFailure) in
          try await resolver.lookup(key, .v4)
        }
        let addresses = mapped?.addresses.compactMap(\.v4) ?? []
        mapped?.addresses = addresses.map { .v6(IPv6Address(mapped: $0)) }
        found = mapped
      }
      guard let found else {
        status = 2
        continue
      }
      var name = found.canonicalName
      for address in found.addresses {
        for kind in ["STREAM", "DGRAM ", "RAW   "] {
          try await process.print(padded("\(address)", 15) + " \(kind) \(name)\n")
          name = ""
        }
      }
    }
    return status
  }
}
