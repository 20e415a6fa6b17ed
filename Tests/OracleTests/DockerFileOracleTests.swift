import Hopyard
import LabSupport
import Testing

/// The resolv.conf that dockerd makes for containers.
@Suite struct DockerFileOracleTests {
  private static let internalServer = IPAddress.v4(IPv4Address(127, 0, 0, 11))

  @Test(.oracle("docker/resolvconf")) func resolverFiles() throws {
    var tally = OracleTally("docker/resolvconf")
    let file = Given(try Oracles.json("docker/resolvconf/tables.json"))
    for item in file["TestRCOption"]["testcases"].items {
      tally.check("TestRCOption/" + item["name"].text) {
        let value = ResolverFile("options " + item["options"].text).option(item["search"].text)
        let wanted = item["expFound"].isTrue ? item["expValue"].text : nil
        return value == wanted ? nil : "is \(value ?? "not found")"
      }
    }
    for item in file["TestRCWrite"]["testcases"].items {
      tally.note(
        "TestRCWrite/" + item["name"].text,
        .skip("hashes and permissions of dockerd's own files")
      )
    }
    for item in file["TestRCModify"]["testcases"].items {
      tally.check("TestRCModify/" + item["name"].text) {
        var text = texts(item["inputNS"]).map { "nameserver \($0)\n" }.joined()
        for key in ["Search", "Options"] {
          let words = texts(item["input" + key])
          if !words.isEmpty {
            text += key.lowercased() + " " + words.joined(separator: " ") + "\n"
          }
        }
        var result = ResolverFile(text)
        if !item["noOverrides"].isTrue {
          result.override(servers: texts(item["overrideNS"]).compactMap(IPAddress.init))
          result.override(search: texts(item["overrideSearch"]))
          result.override(options: texts(item["overrideOptions"]))
        }
        if !item["addOption"].isMissing { result.add(option: item["addOption"].text) }
        return try compare(result, "TestRCModify", item)
      }
    }
    for item in file["TestRCTransformForLegacyNw"]["testcases"].items {
      tally.check("TestRCTransformForLegacyNw/" + item["name"].text) {
        var result = ResolverFile(item["input"].text, path: "/etc/resolv.conf")
        if !item["overrideNS"].isMissing {
          result.override(servers: texts(item["overrideNS"]).compactMap(IPAddress.init))
        }
        result.transformForDefaultBridge(ipv6: item["ipv6"].isTrue)
        return try compare(result, "TestRCTransformForLegacyNw", item)
      }
    }
    for item in file["TestRCTransformForIntNS"]["testcases"].items {
      tally.check("TestRCTransformForIntNS/" + item["name"].text) {
        var result = ResolverFile(item["input"].text, path: "/etc/resolv.conf")
        if !item["overrideNS"].isMissing {
          result.override(servers: texts(item["overrideNS"]).compactMap(IPAddress.init))
        }
        if !item["overrideOptions"].isMissing {
          result.override(options: texts(item["overrideOptions"]))
        }
        result.transformForEmbeddedResolver(
          at: Self.internalServer,
          requiredOptions: texts(item["reqdOptions"])
        )
        let wanted = item["expExtServers"].items.compactMap { call in
          IPAddress(call["args"].items.first?.text ?? "").map {
            ResolverFile.Server($0, isFromHost: call["args"].items.last?.isTrue ?? false)
          }
        }
        if result.externalServers != wanted { return "servers \(result.externalServers)" }
        return try compare(result, "TestRCTransformForIntNS", item)
      }
    }
    for item in file["TestRCTransformForIntNSInvalidNdots"]["testcases"].items {
      tally.check("TestRCTransformForIntNSInvalidNdots/" + item["name"].text) {
        var result = ResolverFile(item["options"].text)
        result.transformForEmbeddedResolver(
          at: Self.internalServer,
          requiredOptions: texts(item["reqdOptions"])
        )
        if result.options != texts(item["expOptions"]) { return "options \(result.options)" }
        if result.option("ndots") != item["expVal"].text { return "ndots differs" }
        let origin = "# Option ndots from: \(item["expNDotsFrom"].text)\n"
        return result.text().contains(origin) ? nil : "another origin: \(result.text())"
      }
    }
    tally.check("TestRCInvalidNS") {
      try compare(ResolverFile("nameserver 1.2.3.4.5"), "TestRCInvalidNS.golden")
    }
    tally.check("TestRCSetHeader") {
      var result = ResolverFile("nameserver 127.0.0.53", path: "/etc/resolv.conf")
      result.header = "# This is a comment."
      return try compare(result, "TestRCSetHeader.golden")
    }
    tally.check("TestRCUnknownDirectives") {
      let text =
        "something unexpected\nnameserver 127.0.0.53\noptions ndots:1\nunrecognised thing\n"
      let result = ResolverFile(text, path: "/etc/resolv.conf")
      return try compare(result, "TestRCUnknownDirectives.golden")
    }
    tally.finish()
  }

  private func texts(_ value: Given) -> [String] { value.items.map(\.text) }

  private func compare(_ file: ResolverFile, _ test: String, _ item: Given) throws -> String? {
    let name = item["name"].text.map { $0.isLetter || $0.isNumber ? $0 : "_" }
    return try compare(file, "\(test)/\(String(name)).golden")
  }

  private func compare(_ file: ResolverFile, _ golden: String) throws -> String? {
    let wanted = try Oracles.text("docker/resolvconf/golden/" + golden)
    return file.text() == wanted ? nil : "expected:\n\(wanted)\nis:\n\(file.text())"
  }
}
