import Foundation
import HopyardWire
import Testing

@testable import HopyardSimulator
@testable import HopyardUserland

/// Commands and what they printed on Linux 6.18 with iproute2 6.1, played again here.
@Suite struct TranscriptTests {
  @Test(arguments: [
    "route-show", "route-change", "route-get", "rule", "nexthop", "addresses", "devices",
  ])
  func `ip prints what it printed on Linux`(_ name: String) async throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Transcripts/\(name).txt")
    let text = try String(contentsOf: file, encoding: .utf8)
    let host = TranscriptHost()
    for step in Transcript.steps(of: text) {
      let printed = try await host.run(step.command)
      guard let printed else { continue }
      #expect(printed == step.output, "\(name): \(step.command)")
    }
  }
}

/// A recording of commands: `$ command`, its output, `[exit N]` if that is not 0.
enum Transcript {
  struct Step {
    var command: String
    var output: String
  }

  static func steps(of text: String) -> [Step] {
    var steps: [Step] = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("$ ") {
        steps.append(Step(command: String(line.dropFirst(2)), output: ""))
      } else if !steps.isEmpty {
        steps[steps.count - 1].output += line + "\n"
      }
    }
    if !steps.isEmpty, steps[steps.count - 1].output.hasSuffix("\n") {
      steps[steps.count - 1].output.removeLast()
    }
    return steps
  }
}

/// A namespace on which recorded commands are played.
final class TranscriptHost {
  let namespace: NetworkNamespace
  private let machine: Machine

  init() {
    machine = Machine(simulation: Simulation(seed: 1))
    namespace = machine.root
  }

  /// Runs a command; nil if it is one that only prepares.
  func run(_ line: String) async throws -> String? {
    let words = line.split(separator: " ").map(String.init)
    switch words[0] {
    case "sysctl":
      try set(words[2])
      return nil
    case "ip": break
    default: return nil
    }
    var options = IpOptions()
    let arguments = Array(words.dropFirst())
    guard case .object(let index) = options.read(arguments) else { return nil }
    let rest = Array(arguments[index...])
    switch rest[0] {
    case "link":
      try changeLink(rest)
      return nil
    case "addr":
      try changeAddress(rest)
      return nil
    default: break
    }
    let context = IpContext(options: options, process: nil, namespace: namespace)
    var status: Int32
    do {
      status = try await IpCommand.perform(rest, context)
    } catch {
      guard case .status(let given) = error else { throw error }
      status = given
    }
    var text = context.takeWritten().map(\.text).joined()
    if status != 0 { text += "[exit \(status)]\n" }
    return text
  }

  private func set(_ assignment: String) throws {
    let parts = assignment.split(separator: "=").map(String.init)
    let path = parts[0].split(separator: ".").map(String.init)
    let value = try #require(Int32(parts[1]))
    if path == ["net", "ipv4", "ip_forward"] { return namespace.setForwarding(value != 0) }
    let setting = try #require(InterfaceSetting.allCases.first { $0.name == path.last })
    if path[3] == "all" { return namespace.set(setting, .all, to: value) }
    namespace.set(setting, .device(try #require(namespace.devices[path[3]])), to: value)
  }

  private func changeLink(_ words: [String]) throws {
    if words[1] == "add" {
      try namespace.makeVeth(NewLink(words[2]), peer: NewLink(words[words.count - 1]))
    } else if words[1] == "del" {
      try namespace.removeLink(try #require(namespace.devices[words[2]]))
    } else {
      let device = try #require(namespace.devices[words[2]])
      if words[3] == "up" {
        try namespace.setLinkUp(device)
      } else {
        namespace.setLinkDown(device)
      }
    }
  }

  private func changeAddress(_ words: [String]) throws {
    let prefix = try #require(IproutePrefix(words[2]))
    var address = InterfaceAddress<UInt32>(
      local: prefix.address.rawValue,
      prefixLength: prefix.length
    )
    var device: NetworkDevice?
    var index = 3
    while index < words.count {
      switch words[index] {
      case "dev": device = namespace.devices[words[index + 1]]
      case "metric": address.metric = try #require(UInt32(words[index + 1]))
      case "noprefixroute":
        address.flags.insert(.noPrefixRoute)
        index -= 1
      case "peer":
        let peer = try #require(IproutePrefix(words[index + 1]))
        address.peer = peer.address.rawValue
        address.prefixLength = peer.length
      case "brd":
        address.broadcast =
          words[index + 1] == "+"
          ? address.local | ~address.mask
          : try #require(IproutePrefix(words[index + 1])).address.rawValue
      default: Issue.record("not understood: \(words[index])")
      }
      index += 2
    }
    let found = try #require(device)
    if words[1] == "add" { return try namespace.addAddress(address, to: found) }
    let place = found.inet.addresses.firstIndex {
      $0.local == address.local && $0.prefixLength == address.prefixLength
        && $0.peer == address.peer
    }
    namespace.removeAddress(at: try #require(place), from: found)
  }
}
