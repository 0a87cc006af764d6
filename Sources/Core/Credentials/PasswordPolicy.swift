internal import Domain

/// What a new password must be: long, and not what is tried first. Nothing about kinds of characters, which makes
/// passwords worse (NIST SP 800-63B, section 5.1.1.2).
enum PasswordPolicy {
    static let bytes = 12...1024
    /// Of how many different characters at least.
    static let characters = 5

    /// Refuses a password; `field` is the request's. `email` and `name` are those of who will have it.
    static func check(_ password: String, field: String, email: String, name: String) throws(DomainError) {
        guard bytes.contains(password.utf8.count) else {
            throw .invalid(
                field,
                "it has \(password.utf8.count) bytes; it must have \(bytes.lowerBound) to \(bytes.upperBound), "
                    + "such as five words that have nothing to do with each other"
            )
        }
        let folded = password.caseFolded
        let own = [email, String(email.prefix { $0 != "@" }), name].map(\.caseFolded)
        guard !own.contains(folded), !own.map({ String($0.filter { !$0.isWhitespace }) }).contains(folded) else {
            throw .invalid(field, "it is the person's own e-mail address or name: choose another")
        }
        guard Set(folded).count >= characters, !common.contains(folded) else {
            throw .invalid(field, "it is one of the passwords that are tried first: choose another")
        }
    }

    /// The commonest passwords of lists of stolen ones that are long enough to be allowed, folded.
    private static let common: Set<String> = [
        "123456789012", "1234567890123", "12345678901234", "123456789012345", "1234567890123456",
        "012345678901", "0123456789012", "123456123456", "123123123123", "112233445566", "098765432109",
        "987654321098", "111222333444", "1q2w3e4r5t6y", "1q2w3e4r5t6y7u", "1qaz2wsx3edc", "1qaz2wsx3edc4rfv",
        "1qazxsw23edc", "qazwsxedcrfv", "qwertyuiop12", "qwertyuiop123", "qwertyuiop[]", "qwertyuiopas",
        "qwertyuiopasdf", "qwertyuiopasdfghjkl", "qwertyqwerty", "qwerty123456", "qwerty1234567", "qwerty12345678",
        "qwerty123456789", "qwertyasdfgh", "qwertyasdfzxcv", "asdfghjkl123", "asdfasdfasdf", "asdfghjklzx",
        "zxcvbnmasdfghjkl", "zaq12wsxcde3", "zaq1zaq1zaq1", "abcdefghijkl", "abcdefghijklm", "abcdefghijklmnop",
        "abcdefghijklmnopqrstuvwxyz", "abcd12345678", "abc123456789", "abc123abc123", "abcabcabcabc", "a1b2c3d4e5f6",
        "aa1234567890", "a123456789012", "password1234", "password12345", "password123456", "password12345678",
        "password123456789", "passwordpassword", "password2023", "password2024", "password2025", "password2026",
        "password1234!", "password123!", "password@123", "p@ssw0rd1234", "p@ssword1234", "p@ssw0rd123!",
        "passw0rd1234", "passwort1234", "contrasena123", "motdepasse123", "mypassword123", "mypassword1234",
        "changeme1234", "changemenow1", "letmein12345", "letmeinplease", "welcome12345", "welcome123456",
        "welcome2024!", "welcome2025!", "welcome2026!", "administrator", "administrator1", "admin1234567",
        "admin12345678", "adminadmin123", "adminadminadmin", "rootrootroot", "iloveyou1234", "iloveyou12345",
        "iloveyouforever", "iloveyousomuch", "football1234", "baseball1234", "basketball123", "superman1234",
        "starwars1234", "princess1234", "sunshine1234", "michael12345", "jordan123456", "monkey123456",
        "dragon123456", "charlie12345", "trustno1trustno1", "correcthorsebatterystaple", "correct horse battery staple",
        "correcthorse", "thisismypassword", "nopasswordhere", "secretsecret", "secret123456", "testtesttest",
        "test12345678", "test123456789", "testing12345", "temporary123", "default12345", "trellis12345",
        "trellistrellis", "google123456", "samsung12345", "computer1234", "internet1234", "freedom12345",
        "whatever1234", "unbelievable", "manchesterunited", "liverpoolfc1", "helloworld12", "helloworld123",
        "hello1234567", "hellohello123", "summer2024!!", "winter2024!!", "q1w2e3r4t5y6", "q1w2e3r4t5y6u7i8",
    ]
}
