package main

import "slices"

// The secrets that several functions read. redis-url is the setting REDIS_URL, which may hold a password.
const (
	masterKey = "encryption-key"
	redisURL  = "redis-url"
	password  = "basic-auth-password" // of the gateway, to list the functions
	s3Access  = "s3-access-key"
	s3Secret  = "s3-secret-key"
)

// needs are the secrets that each of our own functions reads, and no others. Plugins say theirs in their
// manifests.
var needs = map[string][]string{
	"adapter-web":      {masterKey, redisURL},
	"adapter-telegram": {masterKey, redisURL, "telegram-bot-token", "telegram-webhook-secret"},
	"adapter-slack":    {masterKey, redisURL, "slack-bot-token", "slack-signing-secret"},
	"adapter-webhook":  {masterKey, redisURL, "webhook-secret", "webhook-url"},

	"planner-intent":   {masterKey, redisURL, password, "openai-api-key"},
	"planner-execute":  {masterKey, redisURL, password, s3Access, s3Secret},
	"planner-rollback": {masterKey, redisURL, password, s3Access, s3Secret},
	"planner-reply":    {masterKey, redisURL},

	"system-tasks":   {masterKey, redisURL, password, "webhook-secret"},
	"system-pump":    {masterKey, redisURL},
	"system-files":   {masterKey, redisURL, s3Access, s3Secret},
	"system-auth":    {masterKey, redisURL},
	"system-mail":    {masterKey},
	"system-console": {},
}

// reads are the settings that an operator chooses for some functions. Those that begin with HEARTH_ and have
// a default are for faas-cli deploy --env.
var reads = map[string][]string{
	"planner-intent": {"OPENAI_BASE_URL", "OPENAI_MODEL", "CONTEXT_TOKENS"},
}

// settingsFor are the settings that belong to secrets.
func settingsFor(secrets []string) []string {
	if slices.Contains(secrets, s3Access) {
		return []string{"S3_ENDPOINT", "S3_BUCKET", "S3_REGION"}
	}
	return nil
}

// appendNew appends name unless it is there.
func appendNew(list []string, name string) []string {
	if slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}
