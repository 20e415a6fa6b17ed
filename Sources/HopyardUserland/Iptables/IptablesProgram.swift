import HopyardSimulator

/// A release of iptables, as far as releases differ.
enum IptablesRelease: Int, Comparable, Sendable, CustomStringConvertible {
  /// That of Debian 12.
  case version189
  /// That of Debian 13: ranges must not end before they begin, and an inverted range of all
  /// numbers is kept.
  case version1811

  static func < (left: IptablesRelease, right: IptablesRelease) -> Bool {
    left.rawValue < right.rawValue
  }

  var description: String {
    switch self {
    case .version189: "1.8.9"
    case .version1811: "1.8.11"
    }
  }
}

/// One of the names under which iptables is called.
struct IptablesProgram: Hashable, Sendable {
  /// What the program does.
  enum Role: Hashable, Sendable {
    case edit
    case save
    case restore
  }

  /// The name it was called by, such as `iptables-nft-save`.
  let name: String
  let family: RuleFamily
  let variant: RulesetVariant
  let role: Role
  /// The release whose behaviour is played.
  var release = IptablesRelease.version189

  /// All names; those without a variant are of the given one.
  static func all(plain: RulesetVariant) -> [IptablesProgram] {
    var programs: [IptablesProgram] = []
    for family in RuleFamily.allCases {
      let stem = family == .ipv4 ? "iptables" : "ip6tables"
      for (middle, variant) in [("", plain), ("-nft", .nft), ("-legacy", .legacy)] {
        for (end, role) in [("", Role.edit), ("-save", .save), ("-restore", .restore)] {
          programs.append(
            IptablesProgram(
              name: stem + middle + end,
              family: family,
              variant: variant,
              role: role
            )
          )
        }
      }
    }
    return programs
  }

  /// The stem of the name: `iptables` or `ip6tables`.
  var stem: String { family == .ipv4 ? "iptables" : "ip6tables" }

  /// The name that the program gives itself in messages.
  ///
  /// The legacy programs and both editors call themselves by a fixed name, the others by the
  /// name they were called by.
  var ownName: String {
    switch (role, variant) {
    case (.edit, _): stem
    case (.save, .legacy): stem + "-save"
    case (.restore, .legacy): stem + "-restore"
    case (.save, .nft), (.restore, .nft): name
    }
  }

  /// The version, as `v1.8.9 (nf_tables)`.
  var version: String { "v\(release) (\(variant == .nft ? "nf_tables" : "legacy"))" }
}
