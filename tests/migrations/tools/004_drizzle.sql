CREATE TABLE IF NOT EXISTS "chat" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"messages" json NOT NULL,
	"author" integer
);
--> statement-breakpoint
DO $$ BEGIN
 ALTER TABLE "chat" ADD CONSTRAINT "chat_author_User_id_fk" FOREIGN KEY ("author") REFERENCES "User"("id") ON DELETE no action ON UPDATE no action;
EXCEPTION
 WHEN duplicate_object THEN null;
END $$;
--> statement-breakpoint
ALTER TABLE "chat" ADD COLUMN "title" text NOT NULL;--> statement-breakpoint
CREATE INDEX "chat_title" ON "chat" USING btree ("title");
